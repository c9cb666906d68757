import { globalRegistry } from "./globalRegistry.js"
import * as Metrics from "./Metrics.js"

export type { RecallMode, WriteResult } from "./Metrics.js"

/** The metrics of the process, for what does not take the service `Metrics` yet. */
export const {
  breaker,
  clockSkew,
  commit,
  deadLetterDepth,
  divergence,
  dropped,
  httpRequest,
  lag,
  partialQuorum,
  peerQueue,
  processSample,
  push,
  quarantined,
  quorum,
  quorumFailed,
  recall,
  registerPeers,
  rejected,
  replayed,
  retried,
  write
} = Metrics.make(globalRegistry)
