import * as Schema from "effect/Schema"
import { NodeId } from "../../domain/ids.js"
import * as Stamp from "../../domain/Stamp.js"

/** Who a node is, as its database says, and the highest stamp that it ever wrote or took. */
export const Identity = Schema.Struct({ node_id: NodeId, incarnation: Schema.Int, clock: Stamp.Stamp })

/** A transaction notes that stamp in the rows of the vector, which it writes anyway: a row of its own would be a page more. */
export const SELECT_IDENTITY = `SELECT node_id, incarnation,
  max(clock, coalesce((SELECT max(newest) FROM version_vector), '')) AS clock FROM node_identity`
