// Package delivery is the contract between the source of a pipeline's records and the stateful components behind it:
// who owns a partition's state, when it is saved, and when what was computed from it may leave.
//
// A [Session] stands for one partition. Whoever drives it (the [Worker] of a journal partition, or package local where there is no
// journal) repeats five steps:
//
//	deliver   the next records go down the pipeline, under a context made by [With]
//	Advance   every component closes what is due into its outbox, in pipeline order
//	Sync      sinks that answer before their data is durable make it so (behind a journal)
//	Snapshot  all states are saved, outboxes included
//	Flush     the outboxes are sent, in pipeline order
//
// Because nothing leaves before the snapshot that holds it, a crash can repeat a value but never send two different
// values for one point in time. Components implement [Stateful] and meet their session with the first batch:
//
//	states := local.NewStates(id, newState) // and states.Open where batches come without a journal
//	...
//	state, _, err := states.Of(ctx)
//	...
//	leave := state.session.Enter()
//	// work on state
//	leave()
package delivery
