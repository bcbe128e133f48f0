"""Sends n log records with a client that was made for another server: ship.py CLIENT HOST:PORT N. It fails if the client does."""

import datetime
import json
import logging
import sys

client, endpoint, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
host, port = endpoint.rsplit(":", 1)
start = datetime.datetime(2026, 11, 29, tzinfo=datetime.timezone.utc)


def documents():
    """Yields documents as a shipper writes them: the fields of ECS."""
    for i in range(n):
        yield {
            "@timestamp": (start + datetime.timedelta(milliseconds=i)).isoformat(),
            "message": f"id {i}",
            "log.level": "warn",
            "service": {"name": client},
            "event": {"sequence": i},
        }


def actions():
    for i, document in enumerate(documents()):
        yield {"_op_type": "create", "_index": "logs-shop-prod", "_id": str(i), "_source": document}


def log(handler):
    """Logs n records through a handler of Python's logging."""
    logger = logging.getLogger("ship")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(handler)
    for i in range(n):
        logger.warning(f"id {i}")


if client == "elasticsearch":
    from elasticsearch import Elasticsearch, helpers

    es = Elasticsearch(f"http://{endpoint}", http_compress=True)
    assert es.info()["version"]["number"]
    assert es.ping()
    stored, errors = helpers.bulk(es, actions(), chunk_size=300)
    assert (stored, errors) == (n, []), (stored, errors)
    answer = es.bulk(operations=[{"delete": {"_index": "a", "_id": "1"}}])
    assert answer["errors"] and answer["items"][0]["delete"]["status"] == 400, answer
elif client == "opensearch":
    from opensearchpy import OpenSearch, helpers

    os = OpenSearch(f"http://{endpoint}")
    assert os.info()["version"]["number"]
    results = list(helpers.parallel_bulk(os, actions(), thread_count=4, chunk_size=100))
    assert len(results) == n and all(ok for ok, _ in results), results[:3]
elif client == "logging-loki":
    import logging_loki

    handler = logging_loki.LokiHandler(url=f"http://{endpoint}/loki/api/v1/push", tags={"service_name": client}, version="1")
    handler.handleError = lambda record: sys.exit("the handler failed")
    log(handler)
elif client == "loki-logger-handler":
    from loki_logger_handler.loki_logger_handler import LokiLoggerHandler

    handler = LokiLoggerHandler(
        url=f"http://{endpoint}/loki/api/v1/push", labels={"service_name": client}, timeout=600, enable_self_errors=True,
        enable_structured_loki_metadata=True, loki_metadata={"shop": "berlin"},
    )
    log(handler)  # it sends when Python ends
elif client == "splunk-handler":
    from splunk_handler import SplunkHandler

    log(SplunkHandler(host, port, "a token", "main", protocol="http", verify=False, hostname="shop-1", source="ship.py", flush_interval=1.0, queue_size=0, retry_count=20))
    from splunk_handler import force_flush

    force_flush()
elif client == "splunk-hec-handler":
    from splunk_hec_handler import SplunkHecHandler

    handler = SplunkHecHandler(host, "a token", port=port, proto="http", ssl_verify=False, hostname="shop-1", source="ship.py")
    handler.handleError = lambda record: sys.exit("the handler failed")
    log(handler)
else:
    sys.exit(f"no client {client}")
