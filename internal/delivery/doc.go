// Package delivery is the contract between the source of a pipeline's records and the stateful components downstream of it: who owns a
// partition's state, when it is saved, and when results that were computed from it may be sent.
//
// A [Session] represents one partition. Its driver (the [Worker] of a journal partition, or package local without a journal) repeats five
// steps:
//
//	deliver   pass the next records to the pipeline, with a context made by [With]
//	Advance   every component moves the windows that are due to its outbox, in pipeline order
//	Sync      sinks that acknowledge data before it is durable make it durable (only with a journal)
//	Snapshot  save all states, including the outboxes
//	Flush     send the outboxes, in pipeline order
//
// Because a result is sent only after the snapshot that contains it, a crash can repeat a value but never send two different values for
// one point in time. Components implement [Stateful] and join their session with the first batch:
//
//	states := local.NewStates(id, newState) // and states.Open if batches come without a journal
//	...
//	state, _, err := states.Of(ctx)
//	...
//	leave := state.session.Enter()
//	// work on state
//	leave()
//
// Files, in the order of the data:
//
//	delivery.go, outcome.go, account.go   what a batch carries in its context: session, part, and the counts for the ledger
//	stateful.go                           what a component implements to have state
//	session.go, join.go, states.go        a partition's session, and how components find their state in it
//	worker.go, flight.go                  the driver of a journal partition: read, deliver, checkpoint
//	dedup.go, poison.go                   repeated records, and records that the pipeline refuses permanently
//	checkpoint.go, snapshot.go            the formats of checkpoints and of states
//	restore.go, anchor.go                 the start from a checkpoint, and the search for a cut log
//	barrier.go, gap.go, rules.go          states of sinks: durable positions, lost ranges, rules of the lake
//	persource.go, tenants.go              memories per source, and when the state of each tenant began
//	around.go                             interfaces to the log, the state topic, the clock and the observer
//	local/                                the driver without a journal
//	simulation/                           a deterministic simulation of crashes, moves and lost answers
package delivery
