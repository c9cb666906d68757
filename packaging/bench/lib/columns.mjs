// What is measured, by its key: the head of its column, what it is, and, where one build can be better than another, which way is
// good.

export const COLUMNS = {
  writesPerSecond: ["writes/s", "writes answered with a quorum inside the cell's seconds", "higher"],
  readsPerSecond: ["reads/s", "answers inside the cell's seconds", "higher"],
  p50: ["p50 ms", "half of the answers came within this time", "lower"],
  p99: ["p99 ms", "99 of 100 answers came within this time", "lower"],
  rowsPerSecond: ["rows/s", "memories stored / the time until the last request was answered", "higher"],
  convergedPerSecond: ["converged/s", "memories stored / the time until all nodes held them", "higher"],
  convergedShare: [
    "conv. share",
    "converged/s against the time until the last answer: 1.00 = no node lags behind the answers"
  ],
  rowsPerCommit: ["rows/commit", "operations in a transaction of the node under load"],
  operationsPerPush: ["ops/push", "operations in a message of that node to a peer"],
  entryMicros: ["entry µs", "processor time per write of the node under load", "lower"],
  peersMicros: ["peers µs", "processor time per write of all its peers together", "lower"],
  entryPerPeerMicros: [
    "entry µs/peer",
    "processor time per write of the node under load / the number of its peers",
    "lower"
  ],
  loadMicros: ["load µs", "processor time per request of the load itself"],
  otherCores: ["other cores", "processors busy with anything else: much above 0.1, measure again"],
  refused: ["refused", "requests that were answered otherwise, or not at all"],
  firstMs: ["first ms", "time of the 503 of the first write after both peers were killed", "lower"],
  ofFull: ["of full", "writes/s as a share of what the mesh did at full load just before"],
  lagP50: ["lag p50 ms", "time from a 201 until the last node shows the memory: half of the followed writes", "lower"],
  lagP99: ["lag p99 ms", "the same, 99 of 100", "lower"],
  followed: ["followed", "writes that were followed to all nodes"],
  ofBare: ["of bare", `reads/s / those of bare node:http with the same answers`, "higher"],
  entryPages: ["entry pages", "pages in the log of SQLite for one write at a time, on its node", "lower"],
  peerPages: ["peer pages", "the same on a peer", "lower"],
  entryBytes: [
    "entry B",
    "bytes sent to the disk per write under load, on its node, lines of the node's own log left out",
    "lower"
  ],
  peerBytes: ["peer B", "the same on a peer", "lower"],
  entryPerStored: ["entry B/B", "those bytes / the bytes that the database grew by, on its node", "lower"],
  peerPerStored: ["peer B/B", "the same on a peer", "lower"],
  idleMegabytes: ["MB idle", "resident memory of the largest node when nobody has asked it anything", "lower"],
  entryMegabytes: ["MB entry", "the most that the node under load had", "lower"],
  peerMegabytes: ["MB peer", "the most that a peer had", "lower"],
  busyMegabytes: ["MB busy", "the most of all nodes under load", "lower"],
  memories: ["memories", "memories that the node holds"],
  readyMs: ["ready ms", "time from the start of the process until it was ready", "lower"],
  missed: ["missed", "operations that the third node missed"],
  operationsPerSecond: [
    "operations/s",
    "missed operations / the time from the node's first answer until it held them all",
    "higher"
  ],
  quietP99: ["p99 ms, quiet", "of fresh writes before the outage", "lower"],
  freshP99: ["p99 ms, meanwhile", "of fresh writes while the node catches up", "lower"],
  p99Ratio: ["meanwhile / quiet", "the one / the other"]
}

export const titleOf = (key) => COLUMNS[key][0]

/** What the columns of a table are, a line each, to stand below it. */
export const legend = (keys) => {
  const width = Math.max(...keys.map((key) => titleOf(key).length))
  return keys.map((key) => `  ${titleOf(key).padEnd(width)}  ${COLUMNS[key][1]}`).join("\n")
}
