import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { afterAll, assert, beforeAll, describe, expectTypeOf, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as JSONSchema from "effect/JSONSchema"
import type * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import * as Stream from "effect/Stream"
import * as PeerApi from "../../src/federation/wire/PeerApi.js"
import { answer, text } from "../../src/http/calls/answer.js"
import * as Call from "../../src/http/calls/Call.js"
import * as Reply from "../../src/http/calls/Reply.js"
import * as Streamed from "../../src/http/calls/streamed.js"
import { Api } from "../../src/http/contract/Api.js"
import * as archive from "../../src/http/contract/archive.js"
import * as data from "../../src/http/contract/data.js"
import * as governance from "../../src/http/contract/governance.js"
import type * as memories from "../../src/http/contract/memories.js"
import * as messages from "../../src/http/contract/messages.js"
import * as operations from "../../src/http/contract/operations.js"
import * as sync from "../../src/http/contract/sync.js"
import { endpoints } from "./contracted.js"
import * as Node from "./node.js"

/*
 * What must not compile stands below comments that expect an error: `tsc -p test` fails where there is none.
 */

const acks = { quorum_acks: 1, acked_by: ["a"] }

describe("an answer", () => {
  it("has the type of the contract's success", () => {
    answer(data.gc, { expired_deleted: 1, ...acks })
    // @ts-expect-error a number, not a text
    answer(data.gc, { expired_deleted: "1", ...acks })
    // @ts-expect-error who acknowledged it is missing
    answer(data.gc, { expired_deleted: 1, quorum_acks: 1 })
    // @ts-expect-error the contract has no such field
    answer(data.gc, { expired_deleted: 1, ...acks, archived: 1 })
    // @ts-expect-error one of a closed set
    answer(operations.live, { status: "up" })
    // @ts-expect-error a text, not JSON
    answer(operations.metrics, { text: "" })
    expectTypeOf(answer(data.gc, { expired_deleted: 1, ...acks })).toEqualTypeOf<
      import("../../src/http/calls/answer.js").Answer<typeof data.gc>
    >()
  })

  it("has the status and the content type of the contract", () => {
    const live = answer(operations.live, { status: "ok" })
    assert.deepStrictEqual([live.status, live.contentType, live.body], [200, "application/json", `{"status":"ok"}`])
    const metrics = answer(operations.metrics, "a 1\n")
    assert.deepStrictEqual([metrics.contentType, metrics.body], ["text/plain; version=0.0.4; charset=utf-8", "a 1\n"])
    assert.strictEqual(answer(operations.live, { status: "ok" }, { etag: "e" }, 503).status, 503)
  })

  it("is taken as a text for one endpoint, and as lines for one", () => {
    text(sync.since, "{}")
    // @ts-expect-error another one
    text(sync.push, "{}")
    Streamed.lines(data.exportAll, Stream.empty)
    // @ts-expect-error another one
    Streamed.lines(archive.list, Stream.empty)
  })

  it("has rows and fields of the contract when it is streamed", () => {
    const beside = { archived: Stream.empty, conflicts: Stream.empty, standards: Stream.empty, pendings: Stream.empty }
    const fields = { ...beside, links: Stream.empty, count: () => 0, exported_at: () => "" }
    Streamed.byRow(data.exportAll, { memories: Stream.empty, ...fields })
    // @ts-expect-error rows of another type
    Streamed.byRow(data.exportAll, { memories: Stream.make(1), ...fields })
    // @ts-expect-error a field is missing
    Streamed.byRow(data.exportAll, { memories: Stream.empty, links: Stream.empty, ...beside, count: () => 0 })
    Streamed.texts(governance.stream, Stream.make("a"))
    // @ts-expect-error its success is no text
    Streamed.texts(data.gc, Stream.make("a"))
  })
})

/** The tags of the errors that a handler of the endpoint may end in. */
type Ends<E extends Call.Endpoint> = Effect.Effect.Error<ReturnType<Parameters<typeof Call.read<E, never>>[1]>>["_tag"]
type Everywhere = "Refused" | "ReadFailed"

describe("a handler", () => {
  const live = () => Effect.succeed(answer(operations.live, { status: "ok" }))

  it("answers its own endpoint, by way of the contract", () => {
    Call.read(operations.live, live)
    // @ts-expect-error the answer of another endpoint
    Call.read(operations.ready, live)
    // @ts-expect-error an answer that nothing compares with the contract
    Call.read(operations.live, () => Effect.succeed(Reply.json(200, { status: "ok" })))
    // @ts-expect-error a value without the way to an answer
    Call.read(operations.live, () => Effect.succeed({ status: "ok" }))
  })

  it("ends in no error that the contract does not declare", () => {
    expectTypeOf<Ends<typeof memories.stats>>().toEqualTypeOf<Everywhere>()
    expectTypeOf<Ends<typeof memories.get>>().toEqualTypeOf<
      Everywhere | "Invalid" | "AmbiguousPrefix" | "NotFound" | "NotArchived" | "SourceNotFound" | "AgentNotFound"
    >()
  })

  it("is given what the contract names, and no more", () => {
    type Get = Call.Call<typeof memories.get>
    expectTypeOf<Get["path"]>().toEqualTypeOf<{ readonly id: string }>()
    expectTypeOf<Get>().not.toHaveProperty("urlParams")
    expectTypeOf<Get>().not.toHaveProperty("headers")
    type List = Call.Call<typeof archive.list>
    expectTypeOf<List["urlParams"]["limit"]>().toEqualTypeOf<number | undefined>()
    type Create = Call.Call<typeof memories.create>
    expectTypeOf<Create["headers"]>().not.toHaveProperty("if-match")
    expectTypeOf<Call.Call<typeof memories.update>["headers"]>().toHaveProperty("if-match")
    const read = Call.bodyOf(data.consolidate)
    expectTypeOf<Effect.Effect.Success<ReturnType<typeof read>>["ids"]>().toEqualTypeOf<ReadonlyArray<string>>()
  })

  it("stands under the name of its endpoint, in the group of it", () => {
    HttpApiBuilder.group(Api, "operations", (handlers) =>
      handlers
        .handleRaw(...Call.read(operations.live, live))
        // @ts-expect-error an endpoint of another group
        .handleRaw(...Call.write(data.gc, () => Effect.succeed(answer(data.gc, { expired_deleted: 1, ...acks })))))
    // @ts-expect-error endpoints are left
    HttpApiBuilder.group(Api, "operations", (handlers) => handlers.handleRaw(...Call.read(operations.live, live)))
  })
})

describe("what is written", () => {
  /** Whether JSON of the type is JSON of the encoded form, too: fields may be optional or have defaults, and that is all. */
  const isPlain = (ast: SchemaAST.AST, seen: Set<SchemaAST.AST> = new Set()): boolean => {
    if (seen.has(ast)) return true
    seen.add(ast)
    const all = (parts: ReadonlyArray<SchemaAST.AST>) => parts.every((part) => isPlain(part, seen))
    switch (ast._tag) {
      case "TypeLiteral":
        return all([...ast.propertySignatures, ...ast.indexSignatures].map(({ type }) => type))
      case "TupleType":
        return all([...ast.elements, ...ast.rest].map(({ type }) => type))
      case "Union":
        return all(ast.types)
      case "Refinement":
        return isPlain(ast.from, seen)
      case "Suspend":
        return isPlain(ast.f(), seen)
      case "Transformation":
        return ast.transformation._tag === "TypeLiteralTransformation" && all([ast.from, ast.to]) &&
          ast.transformation.propertySignatureTransformations.every(({ from, to }) => from === to)
      default:
        return true
    }
  }

  it.each(endpoints)("of $name is not changed by its encoding", ({ successes }) => {
    assert.isNotEmpty(Array.from(successes))
    for (const ast of successes.values()) assert.isTrue(isPlain(ast))
  })

  it("is known to be changed by other schemas", () => {
    assert.isFalse(isPlain(PeerApi.Hello.ast))
  })
})

type Encoded<S extends Schema.Schema.Any> = Schema.Schema.Encoded<S>

describe("messages between nodes", () => {
  it("are in the contract what nodes read and write", () => {
    expectTypeOf<Encoded<typeof messages.PushRequest>>().toEqualTypeOf<Encoded<typeof PeerApi.PushRequest>>()
    expectTypeOf<Encoded<typeof messages.PushResponse>>().toEqualTypeOf<Encoded<typeof PeerApi.PushResponse>>()
    expectTypeOf<Encoded<typeof messages.Hello>>().toEqualTypeOf<Encoded<typeof PeerApi.Hello>>()
    expectTypeOf<Encoded<typeof messages.Digests>>().toEqualTypeOf<Encoded<typeof PeerApi.Digests>>()
    expectTypeOf<Encoded<typeof messages.Revocations>>().toEqualTypeOf<Encoded<typeof PeerApi.Revocations>>()
    const shown: ReadonlyArray<readonly [Schema.Schema.AnyNoContext, Schema.Schema.AnyNoContext]> = [
      [messages.PushRequest, PeerApi.PushRequest],
      [messages.PushResponse, PeerApi.PushResponse],
      [messages.Hello, PeerApi.Hello],
      [messages.Digests, PeerApi.Digests],
      [messages.Revocations, PeerApi.Revocations]
    ]
    for (const [ours, theirs] of shown) assert.deepStrictEqual(JSONSchema.make(ours), JSONSchema.make(theirs))
  })

  it("go by the same paths", () => {
    assert.deepStrictEqual(
      [sync.push, sync.hello, sync.since, sync.digests].map(({ path }): string => path),
      [PeerApi.PUSH_PATH, PeerApi.HELLO_PATH, PeerApi.SINCE_PATH, PeerApi.DIGESTS_PATH]
    )
  })
})

describe("a node", () => {
  let node: Node.Node
  beforeAll(async () => {
    node = await Node.start()
  })
  afterAll(() => node.stop())

  const get = async (path: string) => {
    const found = await Node.exchange(node.port, Node.request({ path }))
    assert.strictEqual(found.status, 200, found.text)
    return found
  }

  it("says to nodes what the contract says, where no type compares it", async () => {
    for (const { path } of [sync.hello, sync.digests, sync.since]) await get(path)
    await get(`${sync.since.path}?vv=${encodeURIComponent("{}")}`)
  })
})
