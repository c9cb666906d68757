import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as net from "node:net"
import type { Prng } from "../../test/simulation/prng.js"

/** What becomes of the bytes in one direction of a link. */
export interface Gate {
  /** Closed, it keeps what comes until it opens. */
  readonly set: (change: Partial<State>) => void
}

interface State {
  readonly isOpen: boolean
  readonly delayMillis: number
  /** Chance of a chunk to end its connection. */
  readonly loss: number
  /** Chance of a chunk to be swallowed, with all that its connection would have brought after it. */
  readonly swallow: number
}

/** The way by which one node asks another one: requests go forward, answers come back. */
export interface Link {
  readonly from: string
  readonly to: string
  readonly port: number
  readonly forward: Gate
  readonly backward: Gate
  /** Chunks that were lost, answers that were swallowed. */
  readonly lost: () => number
  readonly swallowed: () => number
}

const OPEN: State = { isOpen: true, delayMillis: 0, loss: 0, swallow: 0 }
/** A connection whose answer was swallowed is of no more use. */
const SWALLOWED_ENDS_AFTER_MILLIS = 400

/** A proxy that listens on a port of its own and stands for `target`, as one node sees it. */
export const link = (
  { chance, from, target, to }: {
    readonly from: string
    readonly to: string
    readonly target: number
    readonly chance: Prng
  }
): Effect.Effect<Link, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<Link & { readonly close: () => void }>((resume) => {
      const counts = { lost: 0, swallowed: 0 }
      const forward = makeGate()
      const backward = makeGate()
      const sockets = new Set<net.Socket>()
      const server = net.createServer((near) => {
        const far = net.connect(target, "127.0.0.1")
        const end = () => {
          near.destroy()
          far.destroy()
        }
        for (const socket of [near, far]) {
          sockets.add(socket)
          socket.setNoDelay(true)
          socket.on("error", () => {})
          socket.once("close", () => sockets.delete(socket))
        }
        carry(near, far, { gate: forward, chance, counts, end })
        carry(far, near, { gate: backward, chance, counts, end })
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        resume(Effect.succeed({
          from,
          to,
          port,
          forward,
          backward,
          lost: () => counts.lost,
          swallowed: () => counts.swallowed,
          close: () => {
            server.close()
            for (const socket of sockets) socket.destroy()
          }
        }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

const makeGate = () => {
  let state = OPEN
  const waiting = new Set<() => void>()
  return {
    state: () => state,
    set: (change: Partial<State>) => {
      state = { ...state, ...change }
      for (const flush of [...waiting]) flush()
    },
    waiting
  }
}

interface Carrying {
  readonly gate: ReturnType<typeof makeGate>
  readonly chance: Prng
  readonly counts: { lost: number; swallowed: number }
  readonly end: () => void
}

/** One direction of one connection. What is under way when its sender ends still arrives. */
const carry = (from: net.Socket, to: net.Socket, { chance, counts, end, gate }: Carrying): void => {
  const queue: Array<{ readonly chunk: Buffer | null; readonly due: number }> = []
  let isDeaf = false
  let last = 0
  const flush = () => {
    while (queue.length > 0 && gate.state().isOpen) {
      const [first] = queue
      if (first === undefined) return
      const left = first.due - performance.now()
      if (left > 1) return void setTimeout(flush, left)
      queue.shift()
      if (first.chunk === null) to.end()
      else if (!to.destroyed) to.write(first.chunk)
    }
  }
  const push = (chunk: Buffer | null) => {
    last = Math.max(last, performance.now() + gate.state().delayMillis)
    queue.push({ chunk, due: last })
    flush()
  }
  gate.waiting.add(flush)
  from.on("data", (chunk) => {
    const { loss, swallow } = gate.state()
    if (isDeaf) return
    if (loss > 0 && chance.chance(loss)) {
      counts.lost++
      return end()
    }
    if (swallow > 0 && chance.chance(swallow)) {
      counts.swallowed++
      isDeaf = true
      return void setTimeout(end, SWALLOWED_ENDS_AFTER_MILLIS)
    }
    push(chunk)
  })
  from.once("close", () => {
    if (!isDeaf) push(null)
    // Whoever was told nothing of the end waits until the gate opens, or for ever.
    if (gate.state().isOpen && queue.length === 0) to.end()
  })
  to.once("close", () => {
    gate.waiting.delete(flush)
    from.destroy()
  })
}

/** All directed links of a mesh. */
export interface Network {
  readonly links: ReadonlyArray<Link>
  readonly between: (from: string, to: string) => Link
  /** No byte of `from` reaches `to`, neither what it asks nor what it answers; the other way they pass. */
  readonly cut: (from: string, to: string) => void
  readonly mend: (from: string, to: string) => void
  readonly heal: () => void
}

export const make = (links: ReadonlyArray<Link>): Network => {
  const between = (from: string, to: string) => {
    const found = links.find((each) => each.from === from && each.to === to)
    if (found === undefined) throw new Error(`no link from ${from} to ${to}`)
    return found
  }
  // Cuts may overlap: the last to end opens the way.
  const cuts = new Map<string, number>()
  const turn = (from: string, to: string, by: number) => {
    const count = Math.max(0, (cuts.get(`${from} ${to}`) ?? 0) + by)
    cuts.set(`${from} ${to}`, count)
    between(from, to).forward.set({ isOpen: count === 0 })
    between(to, from).backward.set({ isOpen: count === 0 })
  }
  return {
    links,
    between,
    cut: (from, to) => turn(from, to, 1),
    mend: (from, to) => turn(from, to, -1),
    heal: () => {
      cuts.clear()
      for (const { backward, forward } of links) {
        forward.set(OPEN)
        backward.set(OPEN)
      }
    }
  }
}
