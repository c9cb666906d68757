import * as OtlpSerialization from "@effect/opentelemetry/OtlpSerialization"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Protobuf from "../../src/telemetry/protobuf.js"

/* What is sent is, byte for byte, what the library would send. */

const nanos = FastCheck.bigInt({ min: 0n, max: 2n ** 63n }).map(String)
const hexOf = (length: number) =>
  FastCheck.uint8Array({ minLength: length, maxLength: length }).map((bytes) => Buffer.from(bytes).toString("hex"))
const text = FastCheck.oneof(FastCheck.string({ unit: "grapheme" }), FastCheck.string({ minLength: 200 }))
const anyValue = FastCheck.letrec((tie) => ({
  value: FastCheck.oneof(
    { maxDepth: 2 },
    FastCheck.record({ stringValue: text }),
    FastCheck.record({ boolValue: FastCheck.boolean() }),
    FastCheck.record({ intValue: FastCheck.maxSafeNat() }),
    FastCheck.record({ doubleValue: FastCheck.double() }),
    FastCheck.constant({}),
    FastCheck.record({ arrayValue: FastCheck.record({ values: FastCheck.array(tie("value"), { maxLength: 3 }) }) }),
    FastCheck.record({
      kvlistValue: FastCheck.record({
        values: FastCheck.array(FastCheck.record({ key: text, value: tie("value") }), { maxLength: 3 })
      })
    })
  )
})).value
const attributes = FastCheck.array(FastCheck.record({ key: text, value: anyValue }), { maxLength: 4 })
const dropped = FastCheck.constantFrom(0, 1, 300)
const scope = FastCheck.record({ name: text, version: text }, { requiredKeys: ["name"] })
const resource = FastCheck.record({ attributes, droppedAttributesCount: dropped })

const record = FastCheck.record({
  timeUnixNano: nanos,
  observedTimeUnixNano: nanos,
  severityNumber: FastCheck.nat({ max: 24 }),
  severityText: text,
  body: anyValue,
  attributes,
  droppedAttributesCount: dropped,
  flags: FastCheck.nat(),
  traceId: hexOf(16),
  spanId: hexOf(8)
}, { requiredKeys: ["timeUnixNano", "attributes"] })

const event = FastCheck.record({ timeUnixNano: nanos, name: text, attributes, droppedAttributesCount: dropped })
const link = FastCheck.record({
  traceId: hexOf(16),
  spanId: hexOf(8),
  traceState: text,
  attributes,
  droppedAttributesCount: dropped,
  flags: FastCheck.nat()
}, { requiredKeys: ["traceId", "spanId", "attributes", "droppedAttributesCount"] })
const span = FastCheck.record({
  traceId: hexOf(16),
  spanId: hexOf(8),
  traceState: text,
  parentSpanId: hexOf(8),
  name: text,
  kind: FastCheck.nat({ max: 5 }),
  startTimeUnixNano: nanos,
  endTimeUnixNano: nanos,
  attributes,
  droppedAttributesCount: dropped,
  events: FastCheck.array(event, { maxLength: 2 }),
  droppedEventsCount: dropped,
  links: FastCheck.array(link, { maxLength: 2 }),
  droppedLinksCount: dropped,
  status: FastCheck.record({ code: FastCheck.nat({ max: 2 }), message: text }, { requiredKeys: ["code"] }),
  flags: FastCheck.nat()
}, {
  requiredKeys: [
    "traceId",
    "spanId",
    "name",
    "kind",
    "startTimeUnixNano",
    "endTimeUnixNano",
    "attributes",
    "droppedAttributesCount",
    "events",
    "droppedEventsCount",
    "links",
    "droppedLinksCount",
    "status"
  ]
})

const some = <A>(each: FastCheck.Arbitrary<A>) => FastCheck.array(each, { minLength: 1, maxLength: 3 })

const logs = FastCheck.record({
  resourceLogs: some(FastCheck.record({
    resource,
    scopeLogs: some(FastCheck.record({ scope, logRecords: some(record) }))
  }))
})
const traces = FastCheck.record({
  resourceSpans: some(FastCheck.record({ resource, scopeSpans: some(FastCheck.record({ scope, spans: some(span) })) }))
})

const library = Effect.runSync(
  OtlpSerialization.OtlpSerialization.pipe(Effect.provide(OtlpSerialization.layerProtobuf))
)

const bytesOf = (body: ReturnType<typeof library.logs>): string =>
  body._tag === "Uint8Array" ? Buffer.from(body.body).toString("hex") : body._tag

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

describe("protobuf", () => {
  it("writes logs as the library does", () => {
    FastCheck.assert(FastCheck.property(logs, (data) => {
      assert.strictEqual(hex(Protobuf.logs(data)), bytesOf(library.logs(data)))
    }))
  })

  it("writes traces as the library does", () => {
    FastCheck.assert(FastCheck.property(traces, (data) => {
      assert.strictEqual(hex(Protobuf.traces(data)), bytesOf(library.traces(data)))
    }))
  })

  it("has room for what is longer than it began with", () => {
    const body = { stringValue: "x".repeat(300_000) }
    const logRecords = Array.from({ length: 20 }, () => ({ timeUnixNano: "1", body, attributes: [] }))
    const data = { resourceLogs: [{ resource: { attributes: [] }, scopeLogs: [{ scope: { name: "a" }, logRecords }] }] }
    const whole = {
      resourceLogs: data.resourceLogs.map((one) => ({
        ...one,
        resource: { ...one.resource, droppedAttributesCount: 0 }
      }))
    }
    assert.strictEqual(hex(Protobuf.logs(whole)), bytesOf(library.logs(whole)))
  })
})
