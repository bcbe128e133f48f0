import io.opentelemetry.api.common.AttributeKey;
import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.logs.Logger;
import io.opentelemetry.api.logs.Severity;
import io.opentelemetry.exporter.otlp.http.logs.OtlpHttpLogRecordExporter;
import io.opentelemetry.exporter.otlp.logs.OtlpGrpcLogRecordExporter;
import io.opentelemetry.sdk.logs.SdkLoggerProvider;
import io.opentelemetry.sdk.logs.export.BatchLogRecordProcessor;
import io.opentelemetry.sdk.logs.export.LogRecordExporter;
import io.opentelemetry.sdk.resources.Resource;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/**
 * Sends n log records with ids to an endpoint that refuses some requests, with the SDK as it is: java Backoff.java grpc|http ENDPOINT SERVICE N.
 * KEY in the environment is the API key. It returns when everything is sent, and prints what the SDK logs.
 */
public final class Backoff {
  public static void main(String[] args) {
    String protocol = args[0], endpoint = args[1], service = args[2];
    int n = Integer.parseInt(args[3]);
    String key = System.getenv("KEY");
    LogRecordExporter exporter =
        protocol.equals("grpc")
            ? OtlpGrpcLogRecordExporter.builder().setEndpoint("http://" + endpoint).setTimeout(Duration.ofSeconds(60)).addHeader("x-api-key", key).build()
            : OtlpHttpLogRecordExporter.builder().setEndpoint("http://" + endpoint + "/v1/logs").setTimeout(Duration.ofSeconds(60)).addHeader("x-api-key", key).build();
    SdkLoggerProvider logs =
        SdkLoggerProvider.builder()
            .setResource(Resource.create(Attributes.of(AttributeKey.stringKey("service.name"), service)))
            .addLogRecordProcessor(BatchLogRecordProcessor.builder(exporter).setMaxQueueSize(1 << 16).setExporterTimeout(Duration.ofSeconds(120)).build())
            .build();
    Logger logger = logs.get("testbed");
    for (int i = 0; i < n; i++) {
      logger.logRecordBuilder().setSeverity(Severity.INFO).setBody("request " + i + " " + "x".repeat(100)).emit();
    }
    boolean sent = logs.forceFlush().join(120, TimeUnit.SECONDS).isSuccess();
    logs.shutdown().join(10, TimeUnit.SECONDS);
    if (!sent) {
      System.err.println("not everything was sent within two minutes");
      System.exit(1);
    }
    System.exit(0); // the exporter's threads go on otherwise
  }
}
