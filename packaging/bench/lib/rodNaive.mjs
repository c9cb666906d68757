// The naive shape: what one writes first. Every write is a transaction of its own and one POST to each peer.
import { acked, connect, failed } from "./rodPeer.mjs"

const CONNECTIONS_PER_PEER = 128

export const fullText = "trigger"

export const make = (store, peerUrls, counters) => {
  const peers = peerUrls.map((url) => connect(url, CONNECTIONS_PER_PEER))

  const commit = (entry) => {
    store.commit([entry])
    counters.commits++
    counters.rows++
  }

  const push = (peer, write) => {
    counters.pushes++
    counters.pushed++
    peer.push([write.entry.text]).then(() => acked(write), () => failed(write))
  }

  return {
    write: (write) => {
      commit(write.entry)
      acked(write)
      for (const peer of peers) push(peer, write)
    },
    receive: (entries, done) => {
      for (const entry of entries) commit(entry)
      done()
    }
  }
}
