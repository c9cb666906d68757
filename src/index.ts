/** What other Effect programs use: a node as a layer, its operations, the fan-out, and the typed client. */
export * as NodeConfig from "./config/NodeConfig.js"
export * as MemoryNode from "./MemoryNode.js"

export * as errors from "./operations/errors.js"
export { getMemory } from "./operations/getMemory.js"
export { listMemories } from "./operations/listMemories.js"
export { namespaces } from "./operations/namespaces.js"
export { promote } from "./operations/promote.js"
export { readiness } from "./operations/readiness.js"
export { recall } from "./operations/recall.js"
export { remember } from "./operations/remember.js"
export { remove } from "./operations/remove.js"
export { searchMemories } from "./operations/searchMemories.js"
export { stats } from "./operations/stats.js"
export { update } from "./operations/update.js"
export type { Acknowledged, Caller, Removed, WriteError, Written } from "./operations/Written.js"

export { CreateMemory } from "./domain/CreateMemory.js"
export { Memory } from "./domain/Memory.js"
export { UpdateMemory } from "./domain/UpdateMemory.js"
export { Invalid } from "./domain/validate.js"

export { quorumFanout, QuorumMissed } from "./federation/quorumFanout.js"
export type { QuorumFanout, Tally } from "./federation/quorumFanout.js"

export * as QuorateClient from "./http/Client.js"
