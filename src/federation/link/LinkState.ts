import type * as VersionVector from "../../replication/VersionVector.js"
import type * as exchange from "../wire/exchange.js"
import type * as Breaker from "./Breaker.js"

/** What a link knows of its peer by now. Changed by the link's own fibers only, each step without a wait. */
export interface LinkState {
  identity: exchange.Identity | null
  breaker: Breaker.Breaker
  /** What the peer is known to hold. */
  vector: VersionVector.VersionVector
  /** The peer's clock minus this node's. */
  skewMillis: number
}
