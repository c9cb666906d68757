// The grouped shape, our limit. All that has arrived within one turn of the event loop commits together, and all that
// has queued for a peer while its one push was in flight leaves with the next. No timer anywhere.
import { acked, connect, failed } from "./rodPeer.mjs"

const MAX_BATCH = 200

export const fullText = "select"

/** `add(entries, done)`: `done` is called when the transaction with all of them has committed. */
const makeCommitter = (store, counters, afterCommit) => {
  let waiting = []
  let scheduled = false

  const takeBatch = () => {
    let rows = 0
    let count = 0
    while (count < waiting.length && rows < MAX_BATCH) rows += waiting[count++].entries.length
    const batch = waiting.slice(0, count)
    waiting = waiting.slice(count)
    return batch
  }

  const commitBatch = () => {
    scheduled = false
    const batch = takeBatch()
    const entries = batch.length === 1 ? batch[0].entries : batch.flatMap((item) => item.entries)
    store.commit(entries)
    counters.commits++
    counters.rows += entries.length
    for (const item of batch) item.done()
    afterCommit()
    if (waiting.length > 0) schedule()
  }

  const schedule = () => {
    if (scheduled) return
    scheduled = true
    setImmediate(commitBatch)
  }

  return {
    add: (entries, done) => {
      waiting.push({ entries, done })
      schedule()
    }
  }
}

/** One push in flight; what is queued meanwhile goes together. */
const makeLink = (url, counters) => {
  const peer = connect(url, 1)
  let queue = []
  let inFlight = false

  const send = () => {
    if (inFlight || queue.length === 0) return
    const batch = queue.slice(0, MAX_BATCH)
    queue = queue.slice(batch.length)
    inFlight = true
    counters.pushes++
    counters.pushed += batch.length
    const settle = (each) => () => {
      inFlight = false
      for (const write of batch) each(write)
      send()
    }
    peer.push(batch.map((write) => write.entry.text)).then(settle(acked), settle(failed))
  }

  return { queue: (write) => queue.push(write), send }
}

export const make = (store, peerUrls, counters) => {
  const links = peerUrls.map((url) => makeLink(url, counters))
  const committer = makeCommitter(store, counters, () => links.forEach((link) => link.send()))

  return {
    write: (write) =>
      committer.add([write.entry], () => {
        acked(write)
        for (const link of links) link.queue(write)
      }),
    receive: (entries, done) => committer.add(entries, done)
  }
}
