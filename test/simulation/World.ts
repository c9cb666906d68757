import * as Cause from "effect/Cause"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Breaker from "../../src/federation/link/Breaker.js"
import type { Acknowledged } from "../../src/operations/writing/Written.js"
import * as VersionVector from "../../src/replication/VersionVector.js"
import { answer } from "../federation/inProcess.js"
import { Coverage } from "./coverage.js"
import * as dump from "./dump.js"
import type { Belief, Event, Verdict } from "./history.js"
import type { LostDisk, Options } from "./options.js"
import * as prng from "./prng.js"
import * as Process from "./Process.js"
import { EPOCH_MILLIS } from "./SimClock.js"
import { type Copy, type Fate, type Machine, SimDisk } from "./SimDisk.js"
import { type Receive, SimNetwork } from "./SimNetwork.js"
import { type Services, SimNode } from "./SimNode.js"
import { SimScheduler } from "./SimScheduler.js"
import { Timeline } from "./Timeline.js"
import { Trace } from "./Trace.js"

/** A failure of an operation, as its caller sees it. */
export interface Failure {
  readonly _tag: string
  readonly message: string
}

export interface Call<A, E extends Failure> {
  readonly operation: string
  readonly client: string
  readonly key: string | null
  /** Content that only this write has, so that it is found in a log. */
  readonly token: string | null
  readonly effect: Effect.Effect<A, E, Services>
}

/** What a client knows after a call: it was done, it was not, or neither is certain. */
export type Answer<A> =
  | { readonly certainty: "ok"; readonly value: A }
  | { readonly certainty: "fail"; readonly error: string }
  | { readonly certainty: "info" }

/** Steps beyond which a simulation is taken for one that never ends. */
const MAX_STEPS = 3_000_000
const RESTART_MILLIS = { from: 50, to: 3_000 }

/** Everything of one simulation, and the loop that moves it on. */
export class World {
  readonly options: Options
  readonly timeline = new Timeline()
  readonly coverage = new Coverage()
  readonly history: Array<Event> = []
  readonly trace: Trace
  readonly chance: prng.Prng
  readonly scheduler: SimScheduler
  readonly network: SimNetwork
  readonly nodes: ReadonlyArray<SimNode>
  /** The program of the clients: it never crashes. */
  readonly outside = Process.make("clients")
  readonly logLevel: LogLevel.LogLevel
  /** Of the database of a node that never ran. */
  readonly image: Buffer
  /** Told of each node that begins to listen. */
  readonly onListening = new Set<(node: SimNode) => void>()
  /** Whether disks may fail and processes may crash. */
  faulty = false
  /** Which node is at which address. */
  private readonly residents = new Map<string, string>()
  /** Operations that some node gave a verdict on. */
  private readonly verdicts = new Set<string>()
  /** What was on a disk that is no more: it was acked in good faith. */
  private readonly destroyed = new Map<SimNode, ReadonlySet<string>>()
  private readonly strikes: Array<{ stepsLeft: number; readonly strike: () => void }> = []
  private attempts = 0

  constructor(options: Options, image: Buffer, keepTrace: boolean) {
    this.options = options
    this.image = image
    this.trace = new Trace({ keep: keepTrace })
    this.logLevel = keepTrace ? LogLevel.Info : LogLevel.Warning
    const seed = prng.make(`${options.seed}/world`)
    this.chance = seed.fork("chance")
    this.scheduler = new SimScheduler(seed.fork("scheduler"), options.scheduler)
    const names = Array.from({ length: options.nodes }, (_, index) => `n${index + 1}`)
    this.network = new SimNetwork({
      ...this,
      prng: seed.fork("network"),
      receive: (...given) => this.receive(...given),
      arrived: (event) => this.note(event),
      nodeAt: (url) => this.residents.get(new URL(url).hostname.replace("-alias", "")) ?? "",
      isPunctual: (name) => this.nodes.find((node) => node.name === name)?.isPunctual === true
    })
    for (const name of names) this.residents.set(name, name)
    this.nodes = names.map((name, index) => {
      const node: SimNode = new SimNode({
        name,
        place: () => {
          const host = names.find((each) => this.residents.get(each) === name) ?? name
          const others = names.filter((other) => other !== host)
          const aliases = options.aliased && index === 0 ? [`${others[0]}-alias`] : []
          return { host, peers: [...others, ...aliases].map((other) => `http://${other}`) }
        },
        options,
        disk: new SimDisk(image, this.machine(() => node, seed.fork(`disk ${name}`))),
        timeline: this.timeline,
        scheduler: this.scheduler,
        prng: seed.fork(name),
        transport: (process) => this.network.transport(process),
        logLevel: this.logLevel,
        listening: () => {
          for (const tell of [...this.onListening]) tell(node)
        },
        log: (level, message) => this.logged(name, level, message),
        ended: (how, detail) => this.ended(node, how, detail)
      })
      return node
    })
  }

  /** Moves on until the condition holds; false when it did not at the given moment. */
  runUntil(isDone: () => boolean, limit: number): boolean {
    for (;;) {
      if (this.scheduler.steps > MAX_STEPS) {
        this.note({ type: "restless", at: this.timeline.now, detail: `more than ${MAX_STEPS} steps` })
        return false
      }
      if (this.scheduler.runOne()) {
        this.strikeSoon()
        continue
      }
      if (isDone()) return true
      if (this.timeline.next() > limit) {
        this.timeline.now = Math.max(this.timeline.now, limit)
        return false
      }
      this.timeline.advance()
    }
  }

  /** In the midst of what is going on: after a few more steps, wherever those lead. */
  soon(strike: () => void): void {
    this.strikes.push({ stepsLeft: this.chance.int(0, 60), strike })
  }

  start(node: SimNode): void {
    if (node.process !== null) return
    this.trace.add(this.timeline.now, `${node.name} starts`)
    node.start()
  }

  /** Ends a node without a word, and starts it again after a while. */
  crash(node: SimNode, how: "killed" | "power lost"): void {
    if (node.process === null) return
    node.crash(how)
    this.coverage.add(how === "killed" ? "crashes" : "power losses")
    this.note({ type: "crashed", at: this.timeline.now, node: node.name, how })
    this.restartLater(node)
  }

  restartLater(node: SimNode): void {
    this.timeline.after(this.chance.between(RESTART_MILLIS.from, RESTART_MILLIS.to), () => this.restart(node))
  }

  restart(node: SimNode): void {
    if (node.process !== null) return
    this.note({ type: "reopened", at: this.timeline.now, dump: this.dumpOf(node) })
    this.start(node)
  }

  note(event: Event): void {
    this.history.push(event)
    this.trace.add(
      event.at,
      JSON.stringify(event, (key, value: unknown) => key === "dump" || key === "facts" ? "" : value)
    )
  }

  dumpOf(node: SimNode): dump.Dump {
    return node.disk.read((db) => dump.dump(node.name, db))
  }

  facts(): ReadonlyArray<dump.Facts> {
    return this.nodes.map((node) => node.disk.read((db) => dump.facts(node.name, db)))
  }

  observe(): void {
    const facts = this.facts()
    const beliefs = this.nodes.flatMap((node): ReadonlyArray<Belief> =>
      node.links().flatMap(({ identity, queued, vector }) =>
        identity === null ? [] : [{ node: node.name, peer: identity.peerId, vector, queued }]
      )
    )
    this.note({ type: "observed", at: this.timeline.now, facts, beliefs })
  }

  /** Every node listens and is in touch with every peer. */
  areInTouch(): boolean {
    return this.nodes.every((node) => node.runtime !== null && node.links().every(isConnected))
  }

  /** Every node runs, holds the same and has nothing to send. */
  isQuiet(): boolean {
    const vectors = this.nodes.flatMap((node) => node.store()?.vector() ?? [])
    const [first, ...rest] = vectors
    return first !== undefined && vectors.length === this.nodes.length &&
      rest.every((other) => VersionVector.equals(first, other)) &&
      this.nodes.every((node) => node.links().every(({ queued }) => queued === 0))
  }

  /** One call of a client to a node. The answer comes once, at the latest when the client loses its patience. */
  call<A, E extends Failure>(
    node: SimNode,
    call: Call<A, E>,
    options: { readonly patienceMillis: number; readonly hangsUp: boolean; readonly losesAnswer: boolean },
    done: (answer: Answer<A>) => void
  ): void {
    const attempt = this.attempts++
    this.coverage.add("calls")
    const { client, key, operation, token } = call
    const inTouch = node.links().filter(isConnected).flatMap(({ identity }) => identity?.peerId ?? [])
    this.note({
      type: "invoked",
      at: this.timeline.now,
      attempt,
      client,
      node: node.name,
      operation,
      key,
      token,
      inTouch
    })
    let isOpen = true
    const finish = (answer: Answer<A>, verdict: Verdict | null) => {
      this.note({ type: isOpen ? answer.certainty : "info", at: this.timeline.now, attempt, verdict })
      if (!isOpen) return
      isOpen = false
      patience.cancelled = true
      node.connections.delete(lost)
      done(answer)
    }
    const lost = () => {
      this.coverage.add("lost calls")
      finish({ certainty: "info" }, null)
    }
    const patience = this.timeline.after(options.patienceMillis, () => {
      lost()
      if (options.hangsUp) fiber?.unsafeInterruptAsFork(FiberId.none)
    })
    const fiber = node.run(call.effect, (exit) => {
      const { answer, verdict } = this.judge(node, exit)
      finish(options.losesAnswer ? { certainty: "info" } : answer, verdict)
    })
    if (fiber === null) finish({ certainty: "fail", error: "Refused" }, null)
    else node.connections.add(lost)
  }

  /** What the node said, and whether it was true at this very moment. */
  private judge<A, E extends Failure>(
    node: SimNode,
    exit: Exit.Exit<A, E>
  ): { readonly answer: Answer<A>; readonly verdict: Verdict | null } {
    if (Exit.isSuccess(exit)) {
      const { value } = exit
      if (!isAcknowledged(value)) return { answer: { certainty: "ok", value }, verdict: { tag: "Read" } }
      this.coverage.add("acknowledged writes")
      const { ackedBy, acks, opId } = value
      if (this.verdicts.has(opId)) this.coverage.add("retries answered by key")
      this.verdicts.add(opId)
      return {
        answer: { certainty: "ok", value },
        verdict: { tag: "Acknowledged", opId, acks, ackedBy, holders: this.holders(opId) }
      }
    }
    const failure = Option.getOrNull(Cause.failureOption(exit.cause))
    if (failure === null) {
      if (!Cause.isInterruptedOnly(exit.cause)) this.breakdown(node.name, Cause.pretty(exit.cause))
      return { answer: { certainty: "info" }, verdict: null }
    }
    if (isMissed(failure)) {
      this.coverage.add("quorum not met")
      const { ackedBy, got, needed, opId, reason } = failure
      this.verdicts.add(opId)
      return {
        answer: { certainty: "info" },
        verdict: { tag: "QuorumNotMet", opId, ackedBy, got, needed, reason, holders: this.holders(opId) }
      }
    }
    if (failure._tag === "LocalWriteFailed" || failure._tag === "Overloaded" || failure._tag === "ClockSkewed") {
      this.coverage.add("other 503s")
    } else this.coverage.add("refused writes")
    return {
      // A disk that reported an error on a commit may have kept it all the same.
      answer: failure.message.includes("SQLITE_IOERR")
        ? { certainty: "info" }
        : { certainty: "fail", error: failure._tag },
      verdict: { tag: "Refused", error: failure._tag, detail: failure.message }
    }
  }

  private holders(opId: string): ReadonlyArray<string> {
    const isHeld = (node: SimNode) => node.disk.withDurable((db) => dump.holds(db, opId))
    const wasHeld = (node: SimNode) => this.destroyed.get(node)?.has(opId) === true
    return this.nodes.filter((node) => isHeld(node) || wasHeld(node)).map(({ name }) => name)
  }

  /** Two nodes that are down take each other's address. Nobody tells the others. */
  swap(one: SimNode, other: SimNode): void {
    for (const [host, name] of [...this.residents]) {
      if (name === one.name) this.residents.set(host, other.name)
      if (name === other.name) this.residents.set(host, one.name)
    }
    this.coverage.add("addresses swapped")
  }

  /** A node that is down loses what is on its disk, and goes on with something else. */
  putBack(node: SimNode, copy: Copy, how: LostDisk): void {
    const lost = this.dumpOf(node)
    this.destroyed.set(node, new Set(lost.log.map(({ op_id }) => op_id)))
    node.disk.replace(copy)
    this.coverage.add(`disks lost: ${how}`)
    this.note({ type: "restored", at: this.timeline.now, node: node.name, dump: lost })
  }

  private receive: Receive = (to, request, answered) => {
    const node = this.nodes.find(({ name }) => name === to)
    const fiber = node?.run(answer(request.path, request.body, request.headers), (exit) => {
      if (Exit.isSuccess(exit)) answered(exit.value)
      else if (!Cause.isInterruptedOnly(exit.cause)) this.breakdown(to, Cause.pretty(exit.cause))
    })
    return fiber === undefined || fiber === null ? "refused" : "taken"
  }

  private machine(node: () => SimNode, chance: prng.Prng): Machine {
    const { disk } = this.options
    const at = (probability: number) => this.faulty && chance.chance(probability)
    return {
      insert: (): Fate => at(disk.full / 4) ? this.diskFailed("full") : "done",
      commit: (): Fate => {
        if (at(disk.full)) return this.diskFailed("full")
        if (at(disk.error)) return this.diskFailed(chance.chance(0.5) ? "lost" : "kept")
        if (at(disk.crash)) return chance.chance(0.5) ? "crash before" : "crash after"
        return "done"
      },
      checkpoint: () => chance.chance(0.05),
      newMark: chance.uuid,
      random: () => chance.int(0, 2 ** 20 - 1),
      unixSeconds: () => (EPOCH_MILLIS + this.timeline.now) / 1_000,
      crash: () => {
        this.coverage.add("crashes in a commit")
        this.crash(node(), chance.chance(0.3) ? "power lost" : "killed")
      }
    }
  }

  private diskFailed(fate: Fate): Fate {
    this.coverage.add(fate === "full" ? "disks full" : "disk errors")
    return fate
  }

  private ended(node: SimNode, how: "asked" | "commit failed" | "broken", detail: string): void {
    this.note({ type: "stopped", at: this.timeline.now, node: node.name, how })
    if (how === "broken") this.breakdown(node.name, detail)
    else this.restartLater(node)
  }

  private logged(node: string, level: LogLevel.LogLevel, message: string): void {
    this.trace.lines?.push(`${this.timeline.now.toFixed(3)} ${node} ${level.label} ${message}`)
    if (message.includes("under a new incarnation")) this.coverage.add("new incarnations")
    else if (LogLevel.greaterThanEqual(level, LogLevel.Error)) this.breakdown(node, message)
  }

  private breakdown(node: string, what: string): void {
    this.note({ type: "broken", at: this.timeline.now, node, what })
  }

  private strikeSoon(): void {
    for (const due of [...this.strikes]) {
      if (due.stepsLeft-- > 0) continue
      this.strikes.splice(this.strikes.indexOf(due), 1)
      due.strike()
    }
  }
}

const isConnected = ({ breaker, identity }: ReturnType<SimNode["links"]>[number]) =>
  identity !== null && !Breaker.isOpen(breaker)

/** A write that found nothing to do has no operation. */
const isAcknowledged = (value: unknown): value is Acknowledged =>
  typeof value === "object" && value !== null && "opId" in value && "ackedBy" in value && value.opId !== ""

interface Missed extends Failure {
  readonly opId: string
  readonly got: number
  readonly needed: number
  readonly reason: string
  readonly ackedBy: ReadonlyArray<string>
}

const isMissed = (failure: Failure): failure is Missed => failure._tag === "QuorumNotMet"
