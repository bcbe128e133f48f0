// Package store keeps log records and spans in VictoriaLogs' storage engine, inside the process, each once, and answers LogsQL.
//
// # Rows
//
// A log record or a span is a row: a time in nanoseconds, a stream, and fields, which are texts with names. A field without a value is no
// field. The engine lets every field be searched by word, phrase, prefix, pattern, number and range; of numbers and durations it knows the
// order. Logs and spans never meet in one query: see [Signal].
//
// Every row has
//
//	_time               when it happened, RFC 3339 with nanoseconds. Of a record: its time, else when it was observed, else when it came. Of a span: its start.
//	_stream             its stream as text, {service.name="checkout"}; made from the stream fields
//	_stream_id          the stream's hash
//	<stream field>      [Settings].StreamFields, under the attribute's name: they are copied from the resource. service.name is always one; unknown_service where there is none.
//	resource.<name>     attributes of the resource, all of them, those of the stream among them
//	scope.name, scope.version, scope.attribute.<name>
//	<name>              attributes of the record or span under their own names
//	attribute.<name>    those attributes whose name is one of this list, a stream field's, or begins like one: resource., scope., attribute., penstock_, _
//	penstock_more       a JSON object of attributes that can be no field: name over 128 bytes, two of one name, more than 1000, more than 900 of the stream in a day
//	penstock_tenant     the tenant's name
//	penstock_log        the journal's log that the row came in: <topic>-<partition>/<topic's id>/<generation>; no journal, no field
//	penstock_offset     the record's offset in it
//	penstock_index      the row's place in that record, from 0. Log, offset and index are its identity: no two rows of one signal share them.
//
// Log records have beside these
//
//	_msg                the body as text; of a map or a list its JSON
//	level               trace, debug, info, warn, error or fatal: of the severity's number, else of its text; absent where neither says
//	severity_number     1 to 24
//	severity_text       as it came
//	trace_id, span_id   hexadecimal
//	event_name
//
// Spans have
//
//	_msg                the name
//	trace_id, span_id, parent_span_id, trace_state
//	kind                internal, server, client, producer or consumer
//	duration            nanoseconds
//	status              ok or error; absent where it is not set
//	status_message
//	events              JSON: [{"time":<Unix ns>,"name":"exception","attributes":{"exception.type":"IOError"}}]
//	penstock_types      JSON: {"http.status_code":"int64"}: the fields whose attributes are numbers (int64, float64) or truth values (bool)
//	links               JSON: [{"trace_id":"...","span_id":"...","trace_state":"...","attributes":{}}]
//
// Values that are maps become a field for each of their values, names joined by dots; lists become JSON; numbers, truth values and bytes
// (base64) their text. [Split] says which attribute a field's name stands for.
//
// # Tenants
//
// The engine knows tenants by two numbers. The first stands for the name (file tenants.json, written before the first row of a tenant), the
// second is the [Signal]. A [View] names whose rows a query sees.
//
// # Durability
//
// Rows can be searched a second after [Store.AddLogs] at the latest, and are durable after the next [Store.Flush]: a kill in between takes
// them, and their sender has to send again. It asks [Store.Known] which of them are there.
package store
