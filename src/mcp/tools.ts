import type * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import type { McpProfile } from "../config/NodeConfig.js"
import type * as Call from "../http/calls/Call.js"
import type { Refusal } from "../http/calls/Refusal.js"
import type { Reply } from "../http/calls/Reply.js"
import { type Need, needOf } from "../http/contract/access.js"
import * as agentsContract from "../http/contract/agents.js"
import * as dataContract from "../http/contract/data.js"
import * as governanceContract from "../http/contract/governance.js"
import * as graphContract from "../http/contract/graph.js"
import * as memoriesContract from "../http/contract/memories.js"
import * as agents from "../http/handlers/agents.js"
import * as data from "../http/handlers/data.js"
import * as governance from "../http/handlers/governance.js"
import * as graph from "../http/handlers/graph.js"
import * as memories from "../http/handlers/memories.js"
import * as Asked from "./asked.js"
import * as Schemas from "./schemas.js"

/*
 * The tools, by the names of the original. Each stands for one endpoint of the contract, takes what that takes, and is answered
 * by the handler of that endpoint: what is true of a request is true of a call.
 */

/** What a client may know of a tool before it calls it. */
interface Hints {
  readonly readOnly: boolean
  readonly destructive: boolean
  /** The same call again changes nothing more. */
  readonly idempotent: boolean
}

export interface Tool<R> extends Hints {
  readonly name: string
  readonly title: string
  readonly description: string
  readonly inputSchema: Schemas.ObjectSchema
  readonly outputSchema: Schemas.ObjectSchema
  /** What a key must open for it. */
  readonly need: Need
  /** Fields that are no part of the endpoint's body. */
  readonly elsewhere?: ReadonlyArray<string>
  /** Fields that are so unless they are given. */
  readonly usual?: Readonly<Record<string, unknown>>
  readonly run: (asked: Asked.Asked, incoming: Call.Incoming) => Effect.Effect<Reply, Refusal, R>
}

/** The services that the tools use. */
export type Requires = Effect.Effect.Context<ReturnType<(typeof all)[number]["run"]>>

type Answer<R> = Effect.Effect<Reply, Refusal, R>

/** Who writes, and what they sent. */
interface Given {
  readonly headers: ReturnType<typeof Asked.writing>
  readonly incoming: Call.Incoming
}

const givenBy = (asked: Asked.Asked, incoming: Call.Incoming): Given => ({ headers: Asked.writing(asked), incoming })

/** Of an endpoint that takes a body. */
const byBody = <R>(handle: (given: Given) => Answer<R>) => (asked: Asked.Asked, incoming: Call.Incoming): Answer<R> =>
  handle(givenBy(asked, incoming))

/** Of one that is about one thing. */
const byId =
  <R>(handle: (given: Given & { readonly path: { readonly id: string } }, asked: Asked.Asked) => Answer<R>) =>
  (asked: Asked.Asked, incoming: Call.Incoming): Answer<R> =>
    Effect.flatMap(Asked.path(asked), (path) => handle({ ...givenBy(asked, incoming), path }, asked))

/** Of one that takes a query. */
const byQuery = <A, R>(
  endpoint: { readonly urlParamsSchema: Option.Option<Schema.Schema<A, unknown>> },
  handle: (given: Given & { readonly urlParams: A }) => Answer<R>
) => {
  const parameters = Asked.parameters(endpoint)
  return (asked: Asked.Asked, incoming: Call.Incoming): Answer<R> =>
    Effect.flatMap(parameters(asked, incoming), (urlParams) => handle({ ...givenBy(asked, incoming), urlParams }))
}

/** Recall answers nothing when the evidence is weaker than this: an agent takes for true what it is given. */
const ABSTAIN_BELOW = 0.44

interface Endpoint extends HttpApiEndpoint.HttpApiEndpoint.Any {
  readonly payloadSchema: Option.Option<{ readonly ast: SchemaAST.AST }>
  readonly urlParamsSchema: Option.Option<{ readonly ast: SchemaAST.AST }>
  readonly successSchema: { readonly ast: SchemaAST.AST }
}

/** The body or the query of an endpoint. */
const takes = ({ payloadSchema, urlParamsSchema }: Endpoint): Schemas.ObjectSchema =>
  Option.match(Option.orElse(payloadSchema, () => urlParamsSchema), {
    onNone: () => Schemas.empty,
    onSome: Schemas.objectOf
  })

const answers = (endpoint: Endpoint, but: ReadonlyArray<string> = []): Schemas.ObjectSchema =>
  Schemas.extend(Schemas.omit(Schemas.objectOf(endpoint.successSchema), but), { warnings })

const warnings = {
  type: "array",
  items: { type: "string" },
  description: "What of the call was not understood, or looks like a credential"
}

const id = { type: "string", minLength: 1, description: "The id of the memory, or a unique prefix of it" }

const idempotencyKey = {
  idempotency_key: {
    type: "string",
    minLength: 1,
    maxLength: 255,
    description: "The same key with the same call is the same write: with one, a call may be repeated safely"
  }
}

const READS: Hints = { readOnly: true, destructive: false, idempotent: true }
const ADDS: Hints = { readOnly: false, destructive: false, idempotent: false }
const CHANGES: Hints = { readOnly: false, destructive: true, idempotent: true }

/** What agents that speak this protocol do not make; who does may send it all the same. */
const SIGNED = ["signature", "created_at"]

/** What a memory is answered with that was just sent: the caller has its content. */
const SENT = ["content", "metadata", "source", "confidence", "access_count", "last_accessed_at", "agent_id", "promoted"]

const store = {
  name: "memory_store",
  title: "Store a memory",
  description:
    "Remember one fact for later sessions and other agents. Use it at once, without being asked, when the user states a " +
    "preference, corrects you or decides something, and when you find out what took effort. A title that is taken in the " +
    "namespace is refused: then update that memory instead, or set on_conflict.",
  ...ADDS,
  inputSchema: Schemas.extend(Schemas.omit(takes(memoriesContract.create), SIGNED), idempotencyKey),
  outputSchema: answers(memoriesContract.create, SENT),
  elsewhere: ["idempotency_key"],
  need: needOf("memories", "create"),
  run: byBody(memories.create)
}

const recall = {
  name: "memory_recall",
  title: "Recall memories",
  description:
    "Find what is known about something, by its words and its meaning. Use it at the start of a task, when the user refers to " +
    "something earlier, and before you ask what you may have been told. Ask in a whole sentence. Memories come short: " +
    "memory_get reads one in full. Nothing is answered where nothing fits well enough.",
  ...READS,
  inputSchema: Schemas.extend(takes(memoriesContract.recall), {
    compact: { default: true },
    abstain_below: { default: ABSTAIN_BELOW }
  }),
  outputSchema: answers(memoriesContract.recall),
  need: needOf("memories", "recall"),
  usual: { compact: true, abstain_below: ABSTAIN_BELOW },
  run: byBody(memories.recall)
}

const get = {
  name: "memory_get",
  title: "Read one memory",
  description:
    "Read a memory in full, with its links, by the id that recall or list gave. Use it before you update or delete one: its " +
    "updated_at is the expected_version.",
  ...READS,
  inputSchema: Schemas.extend(Schemas.empty, { id }, ["id"]),
  outputSchema: answers(memoriesContract.get, ["memory"]),
  need: needOf("memories", "get"),
  run: byId(memories.get)
}

const update = {
  name: "memory_update",
  title: "Change a memory",
  description:
    "Change fields of a memory whose fact has changed, instead of storing a second one. What is left out stays as it is. With " +
    "expected_version (the updated_at that you read) nothing is lost that somebody else wrote meanwhile.",
  ...CHANGES,
  inputSchema: Schemas.extend(takes(memoriesContract.update), { id, ...idempotencyKey }, ["id"]),
  outputSchema: answers(memoriesContract.update, SENT),
  elsewhere: ["id", "idempotency_key"],
  need: needOf("memories", "update"),
  // The version stands in its body.
  run: byId((given) => memories.update({ ...given, headers: { ...given.headers, "if-match": undefined } }))
}

const remove = {
  name: "memory_delete",
  title: "Delete a memory",
  description:
    "Delete a memory on every node, for good. Use it when the user asks to forget something, or when it is plainly wrong; a fact " +
    "that changed is updated instead.",
  ...CHANGES,
  inputSchema: Schemas.extend(Schemas.empty, {
    id,
    expected_version: { type: "string", description: "The updated_at that the memory must have" },
    ...idempotencyKey
  }, ["id"]),
  outputSchema: answers(memoriesContract.remove),
  need: needOf("memories", "remove"),
  run: byId((given, asked) => memories.remove({ ...given, headers: Asked.matching(asked) }))
}

const list = {
  name: "memory_list",
  title: "List memories",
  description:
    "Page through memories by priority and latest change, with filters. Use it to look a namespace over; to find what helps " +
    "with a question, use memory_recall.",
  ...READS,
  inputSchema: takes(memoriesContract.list),
  outputSchema: answers(memoriesContract.list),
  need: needOf("memories", "list"),
  run: byQuery(memoriesContract.list, memories.list)
}

const link = {
  name: "memory_link",
  title: "Link two memories",
  description:
    "Say how one memory relates to another: that it contradicts, supersedes, derives from or belongs with it. Use it when you " +
    "store something that follows from, or corrects, what is known.",
  ...ADDS,
  idempotent: true,
  inputSchema: Schemas.extend(Schemas.omit(takes(graphContract.link), SIGNED), idempotencyKey),
  outputSchema: answers(graphContract.link),
  elsewhere: ["idempotency_key"],
  need: needOf("graph", "link"),
  run: byBody(graph.link)
}

const capabilities = {
  name: "memory_capabilities",
  title: "Tell what this memory can do",
  description:
    "Tell what this node can do and how well it is doing it. Use it when recall says that it is degraded, or when the user asks.",
  ...READS,
  inputSchema: Schemas.empty,
  outputSchema: answers(agentsContract.capabilities, ["tools"]),
  need: needOf("agents", "capabilities"),
  run: byBody(({ incoming }) => agents.capabilities({ headers: { "accept-capabilities": undefined }, incoming }))
}

const consolidate = {
  name: "memory_consolidate",
  title: "Put one memory in the place of several",
  description:
    "Replace memories that say parts of one thing by one that you have written from them. Use it when a recall brings several " +
    "that overlap; they are archived, and the new one remembers where it came from.",
  ...CHANGES,
  idempotent: false,
  inputSchema: Schemas.extend(takes(dataContract.consolidate), idempotencyKey),
  outputSchema: answers(dataContract.consolidate),
  elsewhere: ["idempotency_key"],
  need: needOf("data", "consolidate"),
  run: byBody(data.consolidate)
}

const sessionStart = {
  name: "memory_session_start",
  title: "Begin a session",
  description:
    "What to know when a session begins: the standards of a namespace, and its memories of most weight. Use it once, first.",
  ...READS,
  idempotent: false,
  inputSchema: takes(dataContract.sessionStart),
  outputSchema: answers(dataContract.sessionStart),
  need: needOf("data", "sessionStart"),
  run: byBody(data.sessionStart)
}

const notify = {
  name: "memory_notify",
  title: "Send a message to an agent",
  description: "Leave a message for another agent by its id. Use it to hand work over; it is read with memory_inbox.",
  ...ADDS,
  inputSchema: Schemas.extend(takes(agentsContract.notify), idempotencyKey),
  outputSchema: answers(agentsContract.notify),
  elsewhere: ["idempotency_key"],
  need: needOf("agents", "notify"),
  run: byBody(agents.notify)
}

const inbox = {
  name: "memory_inbox",
  title: "Read your messages",
  description: "Messages that other agents left for you, the latest first. Use it at the start of a session.",
  ...READS,
  inputSchema: takes(agentsContract.inbox),
  outputSchema: answers(agentsContract.inbox),
  need: needOf("agents", "inbox"),
  run: byQuery(agentsContract.inbox, agents.inbox)
}

const pending = {
  name: "memory_pending_list",
  title: "List what waits for approval",
  description:
    "Writes that the rules of a namespace hold back until somebody approves them. Use it when the user asks what waits.",
  ...READS,
  inputSchema: takes(governanceContract.pending),
  outputSchema: answers(governanceContract.pending),
  need: needOf("governance", "pending"),
  run: byQuery(governanceContract.pending, governance.pending)
}

const pendingId = { id: { type: "string", minLength: 1, description: "The id of the pending action" } }

const approve = {
  name: "memory_pending_approve",
  title: "Approve what waits",
  description: "Approve a pending action, which is then done. Use it only when the user says so.",
  ...CHANGES,
  inputSchema: Schemas.extend(Schemas.empty, pendingId, ["id"]),
  outputSchema: answers(governanceContract.approve),
  need: needOf("governance", "approve"),
  run: byId(governance.approve)
}

const reject = {
  name: "memory_pending_reject",
  title: "Reject what waits",
  description: "Reject a pending action, which is then never done. Use it only when the user says so.",
  ...CHANGES,
  inputSchema: Schemas.extend(Schemas.empty, pendingId, ["id"]),
  outputSchema: answers(governanceContract.reject),
  need: needOf("governance", "reject"),
  run: byId(governance.reject)
}

const kgQuery = {
  name: "memory_kg_query",
  title: "Follow links",
  description: "What a memory leads to by its links, some steps far. Use it to see what depends on a fact.",
  ...READS,
  inputSchema: takes(graphContract.kgQuery),
  outputSchema: answers(graphContract.kgQuery),
  need: needOf("graph", "kgQuery"),
  run: byBody(graph.kgQuery)
}

const core = [store, recall, get, update, remove, list, link, capabilities]
const all = [...core, consolidate, sessionStart, notify, inbox, pending, approve, reject, kgQuery]

/** The tools that a client sees, in this order. */
export const ofProfile: Readonly<Record<McpProfile, ReadonlyArray<Tool<Requires>>>> = { core, full: all }
