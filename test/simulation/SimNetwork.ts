import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { PeerFailed } from "../../src/federation/wire/Peer.js"
import * as PeerApi from "../../src/federation/wire/PeerApi.js"
import { type PeerAnswer, PeerTransport } from "../../src/federation/wire/PeerTransport.js"
import type { Coverage } from "./coverage.js"
import type { Arrived } from "./history.js"
import type { Options } from "./options.js"
import type { Prng } from "./prng.js"
import type { Process } from "./Process.js"
import type { Timeline } from "./Timeline.js"
import type { Trace } from "./Trace.js"

type Request = Parameters<PeerTransport["Type"]["request"]>[0]

/** What a node does with a request, or null when nobody listens there. */
export type Receive = (
  to: string,
  request: Request,
  answer: (answer: PeerAnswer) => void
) => "taken" | "refused"

interface Context {
  readonly timeline: Timeline
  readonly trace: Trace
  readonly coverage: Coverage
  readonly prng: Prng
  readonly options: Options
  readonly receive: Receive
  /** The node at an address. */
  readonly nodeAt: (url: string) => string
  /** Whether the clock of a node is right, and always was. */
  readonly isPunctual: (name: string) => boolean
  /** Told what a node hears of the operations that it sent. */
  readonly arrived: (event: Arrived) => void
}

/** Marks content that does not survive the way: its receiver finds that the hash does not belong to it. */
export const POISON = "poison:"

/** What is between the nodes: every directed pair has its own delay, and may lose, repeat, reorder and be cut. */
export class SimNetwork {
  /** While false every request arrives, once, and is answered. */
  private faulty = false
  /** Round trips are short enough for every deadline. */
  private brisk = true
  private poisonous = false
  private readonly cut = new Set<string>()
  private readonly delays = new Map<string, number>()
  private readonly newest = new Map<string, number>()
  private sent = 0
  private readonly context: Context

  constructor(context: Context) {
    this.context = context
  }

  cutOff(from: string, to: string): void {
    this.cut.add(pairOf(from, to))
  }

  restore(from: string, to: string): void {
    this.cut.delete(pairOf(from, to))
  }

  begin(): void {
    this.faulty = true
    this.poisonous = true
    this.brisk = false
  }

  heal(): void {
    this.cut.clear()
    this.faulty = false
    this.poisonous = false
    this.brisk = true
  }

  /** How one process reaches its peers. */
  transport(process: Process): Layer.Layer<PeerTransport> {
    return Layer.succeed(
      PeerTransport,
      PeerTransport.of({
        request: (request) =>
          Effect.async((resume) => {
            if (!process.alive) return
            let isGivenUp = false
            const patience = this.context.timeline.after(Duration.toMillis(request.timeout), () => {
              isGivenUp = true
              resume(failed(request, "timeout", "no answer"))
            })
            this.send(process, request, () => !isGivenUp, (result) => {
              patience.cancelled = true
              resume(result)
            })
            return Effect.sync(() => {
              isGivenUp = true
            })
          })
      })
    )
  }

  private send(
    process: Process,
    request: Request,
    isAwaited: () => boolean,
    resume: (result: Effect.Effect<PeerAnswer, PeerFailed>) => void
  ): void {
    const { coverage, options, prng, timeline } = this.context
    const from = process.name
    const to = this.context.nodeAt(request.peer.url)
    const sentAt = timeline.now
    /** Whoever has an answer to a request hears no other one. */
    let isAnswered = false
    const answered = (answer: PeerAnswer) => {
      if (this.isLost(to, from, options.network.lostAnswers)) return coverage.add("lost answers")
      timeline.after(this.delay(to, from), () => {
        if (!process.alive) return
        const isHeard = !isAnswered && request.path === PeerApi.PUSH_PATH
        if (isHeard) this.noteAnswer({ from: to, to: from, sentAt, heard: isAwaited(), request, answer })
        isAnswered = true
        resume(Effect.succeed(answer))
      })
    }
    const refused = () => {
      timeline.after(this.delay(to, from), () => {
        isAnswered = true
        if (process.alive) resume(failed(request, "network", "connection refused"))
      })
    }
    const copies = this.faulty && prng.chance(options.network.duplicates) ? 2 : 1
    if (copies > 1) coverage.add("duplicates")
    for (let copy = 0; copy < copies; copy++) this.deliver({ from, to, request, answered, refused })
  }

  private deliver({ answered, from, refused, request, to }: {
    readonly from: string
    readonly to: string
    readonly request: Request
    readonly answered: (answer: PeerAnswer) => void
    readonly refused: () => void
  }): void {
    const { coverage, options, receive, timeline, trace } = this.context
    const number = this.sent++
    coverage.add("requests")
    if (this.isLost(from, to, options.network.loss)) return coverage.add("lost requests")
    timeline.after(this.delay(from, to), () => {
      if (this.cut.has(pairOf(from, to))) return coverage.add("lost requests")
      this.noteOrder(pairOf(from, to), number)
      trace.add(timeline.now, `${from}->${to} ${request.method} ${request.path} ${request.body ?? ""}`)
      const body = this.carried(from, request.body)
      const arrived = body === undefined ? request : { ...request, body }
      const fate = receive(to, arrived, (answer) => {
        trace.add(timeline.now, `${to}->${from} ${answer.status} ${answer.body}`)
        answered({ ...answer, body: this.carried(to, answer.body) ?? "" })
      })
      if (fate === "refused") refused()
    })
  }

  /** What the sender is told of its operations. */
  private noteAnswer({ answer, from, heard, request, sentAt, to }: {
    readonly from: string
    readonly to: string
    readonly sentAt: number
    readonly heard: boolean
    readonly request: Request
    readonly answer: PeerAnswer
  }): void {
    if (answer.status !== 200) return
    const { arrived, isPunctual, timeline } = this.context
    const { results } = decodeAnswer(answer.body)
    const acked = results.filter(({ result }) => ACKS.has(result)).map(({ op_id }) => op_id)
    const late = results.filter(({ why }) => why?.startsWith("clock_future") === true).map(({ op_id }) => op_id)
    const own = late.length === 0 || !isPunctual(from) || !isPunctual(to) ? [] : decodeRequest(request.body).ops
    const distrusted = own.filter((op) => op.origin.startsWith(`${to}/`) && late.includes(op.op_id))
    arrived({
      type: "arrived",
      at: timeline.now,
      node: to,
      from,
      sentAt,
      heard,
      acked,
      distrusted: distrusted.map(({ op_id }) => op_id)
    })
  }

  /** What a body is when it arrives, and what it says of the way of its operations. */
  private carried(sender: string, body: string | undefined): string | undefined {
    const { coverage } = this.context
    if (body === undefined) return undefined
    const origins = Array.from(body.matchAll(/"origin":"([^/"]+)\//g), ([, origin]) => origin)
    if (origins.length > 1) coverage.add("grouped pushes")
    coverage.add("relayed operations", origins.filter((origin) => origin !== sender).length)
    if (!this.poisonous || !body.includes(POISON)) return body
    coverage.add("poisoned requests")
    return body.replaceAll(POISON, "spoilt:")
  }

  private noteOrder(pair: string, number: number): void {
    const newest = this.newest.get(pair) ?? -1
    if (number < newest) this.context.coverage.add("reorderings")
    else this.newest.set(pair, number)
  }

  private isLost(from: string, to: string, probability: number): boolean {
    return this.cut.has(pairOf(from, to)) || (this.faulty && this.context.prng.chance(probability))
  }

  private delay(from: string, to: string): number {
    const { options, prng } = this.context
    if (!this.brisk && options.slowShare > 0 && (from === SLOW || to === SLOW)) {
      return options.slowShare * options.ackMillis / 2 * prng.between(0.95, 1)
    }
    const pair = pairOf(from, to)
    let base = this.delays.get(pair)
    if (base === undefined) {
      base = prng.chance(0.2) ? options.network.slowMillis : options.network.delayMillis
      this.delays.set(pair, base)
    }
    const bounded = this.brisk ? Math.min(base, options.ackMillis / 20) : base
    return bounded * prng.between(0.5, 1) + (this.faulty ? prng.exponential(bounded) : 0)
  }
}

/** The node that is slow where one is. */
const SLOW = "n2"

const decodeAnswer = Schema.decodeUnknownSync(Schema.parseJson(Schema.Struct({
  results: Schema.Array(
    Schema.Struct({ op_id: Schema.String, result: Schema.String, why: Schema.optional(Schema.String) })
  )
})))
const decodeRequest = Schema.decodeUnknownSync(Schema.parseJson(Schema.Struct({
  ops: Schema.Array(Schema.Struct({ op_id: Schema.String, origin: Schema.String }))
})))

/** What a node says of an operation that it holds durably. */
const ACKS: ReadonlySet<string> = new Set(["applied", "duplicate", "superseded", "shadowed"])

const pairOf = (from: string, to: string) => `${from}>${to}`

const failed = (request: Request, reason: PeerFailed["reason"], detail: string) =>
  new PeerFailed({ peer: request.peer.name, reason, detail })
