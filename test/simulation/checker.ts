import * as Schema from "effect/Schema"
import { hash } from "node:crypto"
import * as OperationSet from "../../src/replication/OperationSet.js"
import * as VersionVector from "../../src/replication/VersionVector.js"
import type { Dump, Facts, HeldMemory, LoggedOperation } from "./dump.js"
import type { Answered, Event, History, Invoked, Verdict } from "./history.js"
import * as model from "./model.js"

/** Something that must never be. `rule` is the invariant it breaks. */
export interface Violation {
  readonly rule: string
  readonly what: string
}

export interface Judged {
  readonly history: History
  /** Of every node, once the mesh was at rest. */
  readonly final: ReadonlyArray<Dump>
  /** How many nodes must hold a write before this node answers. */
  readonly quorumOf: (node: string) => number
  readonly ackMillis: number
  /** What a node may need beside waiting. */
  readonly slackMillis: number
  /** Whether acks are held to be counted whenever they come in time. */
  readonly countsInTime: boolean
  /** Whether what a node held once it holds for ever. */
  readonly keepsDisks: boolean
  /** Marks writes that could not be understood by any other node before the faults ended. */
  readonly poison: string
}

/** Operations waiting for one peer at most. */
const MAX_QUEUED = 4096
/** Of a node at rest, for each peer: its lanes and what they wait for. */
const MAX_SLEEPING_PER_PEER = 4
/** So long the first write of a run waits for the word of the peers. */
const FIRST_WORD_MILLIS = 1_000

/** A verdict on a whole history: every rule by itself, all breaches of all of them. */
export const check = (judged: Judged): ReadonlyArray<Violation> => {
  const calls = callsOf(judged.history)
  const rules: Readonly<Record<string, () => Iterable<string>>> = {
    "I1 durable ack": () => durableAck(judged, calls),
    "I2 nothing lost": () => nothingLost(judged, calls),
    "I3 honest 503": () => honest503(judged, calls),
    "I4 convergence": () => convergence(judged),
    "I5 order-free": () => orderFree(judged.final),
    "I6 no resurrection": () => noResurrection(judged),
    "I7 monotone": () => monotone(judged),
    "I8 dense origin": () => denseOrigin(judged),
    "I9 atomic": () => atomic(judged),
    "I10 one visible row per slot": () => oneVisibleRow(judged.final),
    "I11 idempotent": () => idempotent(judged),
    "I12 bounded": () => bounded(judged.history),
    "I13 one execution": () => oneExecution(judged.final),
    "I14 poison isolated": () => poisonIsolated(judged, calls),
    "in time": () => inTime(judged, calls),
    "counted in time": () => judged.countsInTime ? countedInTime(judged, calls) : [],
    "right clocks trust each other": () => trusted(judged.history),
    "stragglers go on": () => stragglersGoOn(judged.history),
    "no breakdown": () => ofType(judged.history, "broken").map(({ node, what }) => `${node}: ${what}`)
  }
  return Object.entries(rules).flatMap(([rule, breaches]) => Array.from(breaches(), (what) => ({ rule, what })))
}

interface Call {
  readonly invoked: Invoked
  readonly answers: ReadonlyArray<Answered>
}

const callsOf = (history: History): ReadonlyArray<Call> => {
  const answers = new Map<number, Array<Answered>>()
  for (const event of history) {
    if (event.type !== "ok" && event.type !== "fail" && event.type !== "info") continue
    answers.set(event.attempt, [...(answers.get(event.attempt) ?? []), event])
  }
  return ofType(history, "invoked").map((invoked) => ({ invoked, answers: answers.get(invoked.attempt) ?? [] }))
}

const ofType = <Type extends Event["type"]>(history: History, type: Type) =>
  history.filter((event): event is Extract<Event, { readonly type: Type }> => event.type === type)

type Of<Tag extends Verdict["tag"]> = Extract<Verdict, { readonly tag: Tag }>

const verdicts = <Tag extends Verdict["tag"]>(calls: ReadonlyArray<Call>, tag: Tag) =>
  calls.flatMap(({ answers, invoked }) =>
    answers.flatMap(({ at, verdict }) => verdict !== null && isOf(verdict, tag) ? [{ invoked, at, verdict }] : [])
  )

const isOf = <Tag extends Verdict["tag"]>(verdict: Verdict, tag: Tag): verdict is Of<Tag> => verdict.tag === tag

/**
 * A 201 means that W distinct nodes hold the operation durably, and names them. Of a request that wrote several it names
 * those that hold all, which may be fewer than the acks of each.
 */
function* durableAck({ quorumOf }: Judged, calls: ReadonlyArray<Call>) {
  for (const { invoked, verdict } of verdicts(calls, "Acknowledged")) {
    const { ackedBy, acks, holders, opId } = verdict
    const w = quorumOf(invoked.node)
    const named = new Set(ackedBy).size
    if (holders.length < w || acks < w) {
      yield `${invoked.node} acknowledged ${opId}, which ${holders.join()} hold, not ${w}`
    }
    if (named < w && acks <= ackedBy.length) yield `${invoked.node} names ${ackedBy.join()} for ${opId}, not ${w} nodes`
    for (const node of ackedBy.filter((node) => !holders.includes(node))) {
      yield `${invoked.node} acknowledged ${opId} in the name of ${node}, which does not hold it`
    }
  }
}

/** Every acknowledged operation is on every node, and what it wrote is there or was ended by one that had seen it. */
function* nothingLost({ final }: Judged, calls: ReadonlyArray<Call>) {
  const acknowledged = new Set(verdicts(calls, "Acknowledged").map(({ verdict }) => verdict.opId))
  for (const { log, node, state } of final) {
    const operations = new Map(log.map((operation) => [operation.op_id, operation]))
    const present = new Set([
      ...state.memories.map(versionText),
      ...state.conflicts,
      ...state.objects.map(objectVersion)
    ])
    const ended = model.coveredBy(log)
    const twins = model.twinsOf(log)
    for (const opId of acknowledged) {
      const operation = operations.get(opId)
      if (operation === undefined) yield `${node} lacks the acknowledged operation ${opId}`
      else {
        const versions = (twins.get(model.twinKeyOf(operation)) ?? [operation])
          .map((twin) => versionText({ ...twin, id: twin.entity }))
        if (operation.body !== null && !versions.some((version) => present.has(version) || ended.has(version))) {
          yield `${node} lost the acknowledged version ${versions.join()}`
        }
        for (const ref of model.coversOf(operation).map((ref) => JSON.stringify(ref))) {
          if (present.has(ref)) yield `${node} still has ${ref}, which ${opId} ended`
        }
      }
    }
  }
}

const versionText = ({ hlc, id, origin }: { readonly id: string; readonly hlc: string; readonly origin: string }) =>
  JSON.stringify([id, hlc, origin])

const decodeObject = Schema.decodeUnknownSync(Schema.parseJson(Schema.Array(Schema.Unknown)))

const objectVersion = (object: string): string => JSON.stringify(decodeObject(object).slice(1, 4))

/** `got` never exceeds the true holders, and what failed for certain exists nowhere. */
function* honest503({ final }: Judged, calls: ReadonlyArray<Call>) {
  for (const { invoked, verdict } of verdicts(calls, "QuorumNotMet")) {
    const { ackedBy, got, holders, needed, opId } = verdict
    if (got > holders.length) yield `${invoked.node} says ${got} hold ${opId}: it is ${holders.join()}`
    if (got !== new Set(ackedBy).size) yield `${invoked.node} counts ${got} for ${opId}, and names ${ackedBy.join()}`
    if (got >= needed) yield `${invoked.node} missed the quorum of ${opId} with ${got} of ${needed}`
    if (!holders.includes(invoked.node)) yield `${invoked.node} says it holds ${opId}, and does not`
  }
  const logs = final.flatMap(({ log }) => log)
  const keys = new Set(logs.map(({ key_hash }) => key_hash))
  for (const [key, attempts] of groupedBy(calls, ({ invoked }) => invoked.key)) {
    if (attempts.every(isFailed) && keys.has(hash("sha256", key, "hex"))) yield `key ${key} failed, and was written`
  }
  for (const [token, attempts] of groupedBy(calls, ({ invoked }) => invoked.token)) {
    if (!attempts.every(isFailed)) continue
    if (logs.some(({ body }) => body?.includes(JSON.stringify(token)) === true)) {
      yield `the write of "${token}" failed, and exists`
    }
  }
}

const isFailed = ({ answers }: Call): boolean => answers.length > 0 && answers.every(({ type }) => type === "fail")

const groupedBy = <A>(items: ReadonlyArray<A>, keyOf: (item: A) => string | null): ReadonlyMap<string, Array<A>> => {
  const groups = new Map<string, Array<A>>()
  for (const item of items) {
    const key = keyOf(item)
    if (key !== null) groups.set(key, [...(groups.get(key) ?? []), item])
  }
  return groups
}

/** Equal vectors mean equal state, always; after the faults the vectors become equal. */
function* convergence({ final, history }: Judged) {
  for (const { at, facts } of ofType(history, "observed")) {
    for (const [index, one] of facts.entries()) {
      for (const other of facts.slice(index + 1)) {
        if (VersionVector.equals(one.vector, other.vector) && one.state !== other.state) {
          yield `${one.node} and ${other.node} held the same operations at ${at} and differed`
        }
      }
    }
  }
  for (const { detail } of ofType(history, "restless")) yield `the mesh did not come to rest: ${detail}`
  const [first, ...rest] = final
  for (const other of rest) {
    if (first === undefined) continue
    if (!VersionVector.equals(first.vector, other.vector)) {
      yield `${first.node} and ${other.node} end with other vectors`
    } else if (textOf(first.state) !== textOf(other.state)) {
      yield `${first.node} and ${other.node} end differently: ${differing(first.state, other.state).join()}`
    }
  }
}

/** The parts in which two states differ. */
const differing = (one: Dump["state"], other: Dump["state"]): ReadonlyArray<string> => {
  const { others, ...parts } = one
  const { others: otherTables, ...otherParts } = other
  const there = new Map<string, unknown>([...Object.entries(otherParts), ...otherTables])
  return [...Object.entries(parts), ...others].flatMap(([name, part]) =>
    JSON.stringify(part) === JSON.stringify(there.get(name)) ? [] : [name]
  )
}

const textOf = (state: Dump["state"]): string => JSON.stringify({ ...state, others: [...state.others] })

/** The log as far as it has an effect. That all nodes take the same for void is looked at with the rest of their state. */
const effective = (log: Dump["log"], voids: Dump["voids"]): Dump["log"] => {
  const byName = new Map(voids.map((each) => [`${each.origin} ${each.oseq}`, each]))
  return log.flatMap((operation) => {
    const found = byName.get(`${operation.origin} ${operation.oseq}`)
    return found === undefined ? [operation] : found.whole === 1 ? [] : [{ ...operation, covers: found.covers }]
  })
}

/** State is a function of the set of operations: what a node has is what the model makes of its log. */
function* orderFree(dumps: ReadonlyArray<Dump>) {
  for (const { log, node, state, voids } of dumps) {
    const expected = model.expected(effective(log, voids))
    for (const part of ["memories", "conflicts", "covered", "aliases", "objects"] as const) {
      const actual = new Set(state[part].map((item) => JSON.stringify(item)))
      const wanted = new Set(expected[part].map((item) => JSON.stringify(item)))
      for (const item of actual) if (!wanted.has(item)) yield `${node} has ${part} ${item}, against its log`
      for (const item of wanted) if (!actual.has(item)) yield `${node} lacks ${part} ${item} of its log`
    }
  }
}

/** A covered version is never visible again anywhere. */
function* noResurrection({ final, history }: Judged) {
  for (const { at, facts } of ofType(history, "observed")) {
    for (const { node, resurrected } of facts) {
      for (const version of resurrected) yield `${node} showed ${version} at ${at}`
    }
  }
  const ended = new Set(final.flatMap(({ log }) => [...model.coveredBy(log)]))
  for (const { node, state } of final) {
    for (const memory of state.memories) {
      if (ended.has(versionText(memory))) yield `${node} ends with ${versionText(memory)}, which was ended`
    }
  }
}

type Progress = Pick<Facts, "clock" | "incarnation" | "vector"> & { readonly operations: number }

/** Vector, clock, log and incarnation of a disk never go back, and nobody thinks that a peer holds more than it does. */
function* monotone({ final, history }: Judged) {
  const latest = new Map<string, Progress>()
  const replaced = new Set<string>()
  const steps = history.flatMap((event): ReadonlyArray<{ node: string; progress: Progress | null }> => {
    if (event.type === "restored") return [{ node: event.node, progress: null }]
    if (event.type === "observed") return event.facts.map((progress) => ({ node: progress.node, progress }))
    return event.type === "reopened" ? [{ node: event.dump.node, progress: progressOf(event.dump) }] : []
  })
  const givenUp = OperationSet.of(model.formerNamesOf(final.flatMap(({ log }) => log)))
  const kept = (vector: VersionVector.VersionVector) => OperationSet.difference(vector, givenUp)
  for (
    const { node, progress } of [...steps, ...final.map((dump) => ({ node: dump.node, progress: progressOf(dump) }))]
  ) {
    const before = latest.get(node)
    if (progress === null) {
      latest.delete(node)
      continue
    }
    if (before !== undefined) {
      if (!VersionVector.dominates(progress.vector, kept(before.vector))) yield `the vector of ${node} went back`
      if (progress.clock < before.clock) yield `the clock of ${node} went back`
      if (progress.operations < before.operations) yield `the log of ${node} got shorter`
      if (progress.incarnation < before.incarnation) yield `the incarnation of ${node} went back`
    }
    latest.set(node, progress)
  }
  for (const event of history) {
    if (event.type === "restored") replaced.add(event.node)
    if (event.type !== "observed") continue
    for (const { node, peer, vector } of event.beliefs) {
      const truth = event.facts.find((facts) => facts.node === peer)
      if (truth === undefined || replaced.has(peer)) continue
      if (!VersionVector.dominates(truth.vector, kept(vector))) {
        yield `${node} thinks that ${peer} holds more than it does`
      }
    }
  }
}

const progressOf = ({ clock, incarnation, log, vector }: Dump): Progress => ({
  clock,
  incarnation,
  vector,
  operations: log.length
})

/** One `(origin, oseq)` has one hash for ever, on every disk that there ever was, and no gap is left. */
function* denseOrigin({ final, history }: Judged) {
  const hashes = new Map<string, string>()
  // A disk that was lost later had the only copies of some: what comes under their names is the first that anybody else hears.
  const elsewhere = new Set([...survivingOf(history), ...final].flatMap(({ log }) => log.map(nameOf)))
  for (const { log, node } of [...disksOf(history), ...final]) {
    for (const operation of log.filter((operation) => elsewhere.has(nameOf(operation)))) {
      const known = hashes.get(placeOf(operation))
      if (known !== undefined && known !== operation.hash) yield `${placeOf(operation)} has two hashes, one at ${node}`
      hashes.set(placeOf(operation), operation.hash)
    }
  }
  // What was only on a disk that is no more, nobody can bring back; and there are names that were given up.
  const lost = new Set([
    ...ofType(history, "restored").flatMap(({ dump }) => dump.log.map(placeOf)),
    ...model.formerNamesOf(final.flatMap(({ log }) => log)).map(placeOf)
  ])
  for (const { node, vector } of final) {
    for (const [origin, { beyond, upto }] of vector) {
      const open = beyond.flatMap(([from], index) => sequences((beyond[index - 1]?.[1] ?? upto) + 1, from - 1))
      const missing = open.filter((oseq) => !lost.has(placeOf({ origin, oseq })))
      if (missing.length > 0) yield `${node} ends without ${missing.join()} of ${origin}`
    }
  }
}

/** What was found on disks that were not lost later. */
const survivingOf = (history: History): ReadonlyArray<Dump> => {
  const found = new Map<string, Array<Dump>>()
  for (const event of history) {
    if (event.type === "restored") found.delete(event.node)
    if (event.type === "reopened") found.set(event.dump.node, [...(found.get(event.dump.node) ?? []), event.dump])
  }
  return Array.from(found.values()).flat()
}

const nameOf = (operation: LoggedOperation): string => `${placeOf(operation)} ${operation.hash}`

/** What was found on disks in between: before a start, and when a disk was lost. */
const disksOf = (history: History): ReadonlyArray<Dump> =>
  history.flatMap((event) => event.type === "reopened" || event.type === "restored" ? [event.dump] : [])

const sequences = (from: number, to: number): ReadonlyArray<number> =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index)

const placeOf = ({ origin, oseq }: Pick<LoggedOperation, "origin" | "oseq">): string => `${origin} ${oseq}`

/** After each crash, and at the end: log, vector and effects agree. */
function* atomic({ final, history }: Judged) {
  const reopened = ofType(history, "reopened").map((event) => event.dump)
  for (const dump of [...reopened, ...final]) {
    const logged = VersionVector.fromEntries(
      dump.log.map(({ origin, oseq }) => [origin, { upto: 0, beyond: [[oseq, oseq]] }])
    )
    if (!VersionVector.equals(logged, dump.vector)) yield `log and vector of ${dump.node} disagree`
    const newest = dump.log.reduce((stamp, { hlc }) => hlc > stamp ? hlc : stamp, "")
    if (dump.clock < newest) yield `the clock of ${dump.node} is behind its log`
  }
  yield* orderFree(reopened)
}

/** Of the memories that claim one slot exactly one is visible. */
function* oneVisibleRow(dumps: ReadonlyArray<Dump>) {
  for (const { node, state } of dumps) {
    for (const [slot, claimers] of groupedBy(state.memories, slotOf)) {
      const visible = claimers.filter(({ place }) => place === "visible").length
      if (visible !== 1) yield `${node} shows ${visible} of the ${claimers.length} memories at ${slot}`
    }
  }
}

const slotOf = ({ namespace, place, title }: HeldMemory): string | null =>
  place === "archived" ? null : JSON.stringify([namespace, title])

/**
 * A node that has seen what was written under a key writes nothing more under it. Two nodes that had not heard of each other
 * may each write, but then the same memory: so new memories are counted across the mesh, and operations where they were seen. One write may make several memories.
 * (A write that merges into what holds its slot is no new memory, and may find another one in the slot elsewhere.)
 */
function* idempotent({ final, history }: Judged) {
  const replaced = new Set(ofType(history, "restored").map(({ node }) => node))
  const [any] = final
  if (any === undefined) return
  const made = any.log.filter(({ base_hlc, kind }) => base_hlc === null && (kind === "store" || kind === "consolidate"))
  for (const [key, operations] of groupedBy(made, ({ key_hash }) => key_hash)) {
    const memories = new Set(operations.map(({ entity }) => entity))
    const most = Math.max(...[...groupedBy(operations, ({ origin }) => origin).values()].map(({ length }) => length))
    if (memories.size > most) yield `the key ${key} made the memories ${[...memories].join()}`
  }
  // What a replaced disk holds of its own past came back from others, in their order.
  for (const { log, node } of final.filter(({ node }) => !replaced.has(node))) {
    const latest = new Map<string, number>()
    for (const [index, operation] of log.entries()) {
      const { key_hash, op_id, origin } = operation
      // What was written again under another name was written before.
      if (key_hash === null || model.formerNamesOf([operation]).length > 0) continue
      const before = latest.get(key_hash)
      const earlier = before === undefined ? undefined : log[before]
      const isOneWrite = before === index - 1 && earlier?.origin === origin
      if (earlier !== undefined && origin.startsWith(`${node}/`) && !isOneWrite) {
        yield `${node} knew that ${earlier.op_id} was written under its key, and wrote ${op_id}`
      }
      latest.set(key_hash, index)
    }
  }
}

const decodeDecision = Schema.decodeUnknownSync(Schema.parseJson(Schema.Struct({
  approved: Schema.Boolean,
  memory: Schema.optional(Schema.Struct({ id: Schema.String }))
})))

/** Whatever is decided how often and where, what an action stores is one memory. */
function* oneExecution(final: ReadonlyArray<Dump>) {
  const [any] = final
  const decisions = any?.log.filter(({ kind }) => kind === "decision") ?? []
  for (const [action, taken] of groupedBy(decisions, ({ entity }) => entity)) {
    const memories = new Set(taken.flatMap(({ body }) => decodeDecision(body).memory?.id ?? []))
    if (memories.size > 1) yield `the action ${action} stored the memories ${[...memories].join()}`
  }
}

/** Queues stay within their limits, and a mesh at rest has nothing left over. */
function* bounded(history: History) {
  for (const { beliefs } of ofType(history, "observed")) {
    for (const { node, peer, queued } of beliefs) {
      if (queued > MAX_QUEUED) yield `${queued} operations wait at ${node} for ${peer}`
    }
  }
  for (const { resting } of ofType(history, "quiet")) {
    for (const { node, peers, queued, sleeping } of resting) {
      if (queued > 0) yield `${node} is at rest with ${queued} operations in its queues`
      if (sleeping > MAX_SLEEPING_PER_PEER * (peers + 1)) yield `${node} is at rest with ${sleeping} timers`
    }
  }
}

/** What a peer cannot apply is not acked by it. */
function* poisonIsolated({ history, poison }: Judged, calls: ReadonlyArray<Call>) {
  const healed = ofType(history, "healed")[0]?.at ?? Number.POSITIVE_INFINITY
  for (const { at, invoked, verdict } of verdicts(calls, "Acknowledged")) {
    if (at > healed || invoked.token?.startsWith(poison) !== true) continue
    if (verdict.ackedBy.length > 1) {
      yield `${verdict.opId} could not be applied and was acked by ${verdict.ackedBy.join()}`
    }
  }
}

/** A write is answered by its deadline, unless its node stood still meanwhile. */
function* inTime({ ackMillis, history, slackMillis }: Judged, calls: ReadonlyArray<Call>) {
  const frozen = ofType(history, "frozen")
  for (const tag of ["Acknowledged", "QuorumNotMet"] as const) {
    for (const { at, invoked } of verdicts(calls, tag)) {
      const took = at - invoked.at
      if (took <= ackMillis + slackMillis) continue
      const stood = frozen.some(({ from, node, to }) => node === invoked.node && from <= at && to >= invoked.at)
      const first = isFirst(history, calls, invoked) ? FIRST_WORD_MILLIS : 0
      if (took > ackMillis + first + slackMillis && !stood) {
        yield `${invoked.node} answered call ${invoked.attempt} (${tag}) after ${took} ms`
      }
    }
  }
}

/** Whether no write that was asked of the node before, since its last start, was decided by then. */
const isFirst = (history: History, calls: ReadonlyArray<Call>, { at, node }: Invoked): boolean => {
  const started = startOf(history, node, at)
  return !calls.some(({ answers, invoked }) =>
    invoked.node === node && invoked.at >= started &&
    answers.some((answer) =>
      answer.at <= at && (answer.verdict?.tag === "Acknowledged" || answer.verdict?.tag === "QuorumNotMet")
    )
  )
}

/** When a node began to run that runs at a time. */
const startOf = (history: History, node: string, at: number): number =>
  Math.max(
    ...ofType(history, "reopened").flatMap((event) => event.dump.node === node && event.at <= at ? [event.at] : []),
    0
  )

/**
 * A peer that the node was in touch with, and that says before the deadline that it holds a write, is counted, unless its word
 * could not change the verdict; also one that said so before the call, since the node began to run. (Of a request that wrote
 * several those are counted that hold all.)
 */
function* countedInTime({ ackMillis, final, history, keepsDisks, slackMillis }: Judged, calls: ReadonlyArray<Call>) {
  const written = groupedBy(
    final[0]?.log ?? [],
    ({ key_hash, origin }) => key_hash === null ? null : `${key_hash} ${origin}`
  )
  const several = new Set(
    [...written.values()].filter(({ length }) => length > 1).flatMap((log) => log.map(({ op_id }) => op_id))
  )
  const frozen = ofType(history, "frozen")
  const arrived = ofType(history, "arrived")
  for (const { at, invoked, verdict } of verdicts(calls, "QuorumNotMet")) {
    if (several.has(verdict.opId) || (invoked.key ?? invoked.token) === null) continue
    const deadline = invoked.at + ackMillis - slackMillis
    if (frozen.some(({ from, node, to }) => node === invoked.node && from <= deadline && to >= invoked.at)) continue
    const since = keepsDisks ? startOf(history, invoked.node, invoked.at) : invoked.at
    const told = arrived.filter((answer) =>
      answer.node === invoked.node && answer.acked.includes(verdict.opId) &&
      (answer.at >= invoked.at || (answer.at >= since && answer.heard)) &&
      answer.sentAt < at && answer.at < deadline && !verdict.ackedBy.includes(answer.from) &&
      invoked.inTouch.includes(answer.from)
    )
    const inTime = new Set(told.filter((answer) => answer.at < at).map(({ from }) => from))
    const all = new Set(told.map(({ from }) => from))
    if (inTime.size > 0) yield `${invoked.node} did not count ${[...inTime].join()} for ${verdict.opId}`
    else if (verdict.got + all.size >= verdict.needed) {
      yield `${invoked.node} gave up ${verdict.opId} at ${at}, before ${[...all].join()} told in time that it is there`
    }
  }
}

/** Two nodes whose clocks are right and always were take each other's stamps, whatever a third one made of them. */
function* trusted(history: History) {
  for (const { at, distrusted, from, node } of ofType(history, "arrived")) {
    if (distrusted.length > 0) yield `${from} refused what ${node} stamped at ${at}: ${distrusted.join()}`
  }
}

/** Without faults every write reaches every node by itself, before any round of catch-up. */
function* stragglersGoOn(history: History) {
  for (const { facts } of ofType(history, "calm")) {
    const [first, ...rest] = facts
    for (const other of rest) {
      if (first !== undefined && !VersionVector.equals(first.vector, other.vector)) {
        yield `${other.node} and ${first.node} do not hold the same after a time without faults`
      }
    }
  }
}
