import * as Predicate from "effect/Predicate"

/*
 * Traces and logs of OTLP as protobuf. The library makes an array of bytes for each number and each length of a message: under load
 * that costs more than the write that is told of. Here all goes into one buffer, from its end to its beginning, so that each
 * length is known when it is written.
 */

/** How a field is written. `filled` text and a `count` are left out where they say nothing. */
type Type =
  | "text"
  | "filled"
  | "hex"
  | "varint"
  | "count"
  | "int64"
  | "bool"
  | "fixed64"
  | "fixed32"
  | "double"
  | Message

/** Its fields in the order of their numbers. */
interface Message {
  fields: ReadonlyArray<readonly [name: string, number: number, type: Type]>
}

const anyValue: Message = { fields: [] }
const keyValue: Message = { fields: [["key", 1, "text"], ["value", 2, anyValue]] }
anyValue.fields = [
  ["stringValue", 1, "text"],
  ["boolValue", 2, "bool"],
  ["intValue", 3, "int64"],
  ["doubleValue", 4, "double"],
  ["arrayValue", 5, { fields: [["values", 1, anyValue]] }],
  ["kvlistValue", 6, { fields: [["values", 1, keyValue]] }]
]

const resource: Message = { fields: [["attributes", 1, keyValue], ["droppedAttributesCount", 2, "count"]] }
const scope: Message = {
  fields: [
    ["name", 1, "text"],
    ["version", 2, "filled"],
    ["attributes", 3, keyValue],
    ["droppedAttributesCount", 4, "count"]
  ]
}

const event: Message = {
  fields: [
    ["timeUnixNano", 1, "fixed64"],
    ["name", 2, "text"],
    ["attributes", 3, keyValue],
    ["droppedAttributesCount", 4, "count"]
  ]
}

const link: Message = {
  fields: [
    ["traceId", 1, "hex"],
    ["spanId", 2, "hex"],
    ["traceState", 3, "filled"],
    ["attributes", 4, keyValue],
    ["droppedAttributesCount", 5, "count"],
    ["flags", 6, "fixed32"]
  ]
}

const span: Message = {
  fields: [
    ["traceId", 1, "hex"],
    ["spanId", 2, "hex"],
    ["traceState", 3, "filled"],
    ["parentSpanId", 4, "hex"],
    ["name", 5, "text"],
    ["kind", 6, "varint"],
    ["startTimeUnixNano", 7, "fixed64"],
    ["endTimeUnixNano", 8, "fixed64"],
    ["attributes", 9, keyValue],
    ["droppedAttributesCount", 10, "count"],
    ["events", 11, event],
    ["droppedEventsCount", 12, "count"],
    ["links", 13, link],
    ["droppedLinksCount", 14, "count"],
    ["status", 15, { fields: [["message", 2, "filled"], ["code", 3, "varint"]] }],
    ["flags", 16, "fixed32"]
  ]
}

const record: Message = {
  fields: [
    ["timeUnixNano", 1, "fixed64"],
    ["severityNumber", 2, "varint"],
    ["severityText", 3, "filled"],
    ["body", 5, anyValue],
    ["attributes", 6, keyValue],
    ["droppedAttributesCount", 7, "count"],
    ["flags", 8, "fixed32"],
    ["traceId", 9, "hex"],
    ["spanId", 10, "hex"],
    ["observedTimeUnixNano", 11, "fixed64"]
  ]
}

/** What is sent at once, of one resource and one scope or of several. */
const sent = (name: string, each: Message): Message => ({
  fields: [[`resource${name}s`, 1, {
    fields: [
      ["resource", 1, resource],
      [`scope${name}s`, 2, { fields: [["scope", 1, scope], [name === "Log" ? "logRecords" : "spans", 2, each]] }]
    ]
  }]]
})

/** Bytes that a writer begins with. */
const BEGIN = 64 * 1024
const VARINT = 0
const FIXED_64 = 1
const DELIMITED = 2
const FIXED_32 = 5

class Writer {
  private bytes = Buffer.allocUnsafe(BEGIN)
  private at = BEGIN

  /** All that was written. */
  readonly end = (): Uint8Array => Uint8Array.prototype.slice.call(this.bytes, this.at)

  readonly message = ({ fields }: Message, value: unknown): void => {
    if (!Predicate.isRecord(value)) return
    for (let index = fields.length - 1; index >= 0; index -= 1) {
      const field = fields[index]
      if (field === undefined) continue
      const [name, number, type] = field
      const given = value[name]
      if (!Array.isArray(given)) this.field(number, type, given)
      else for (let at = given.length - 1; at >= 0; at -= 1) this.field(number, type, given[at])
    }
  }

  private field(number: number, type: Type, value: unknown): void {
    if (value === undefined || value === null) return
    if (typeof type === "object") {
      const before = this.written()
      this.message(type, value)
      return this.delimited(number, before)
    }
    switch (type) {
      case "text":
      case "filled":
      case "hex": {
        const text = String(value)
        if (text === "" && type !== "text") return
        const before = this.written()
        const encoding = type === "hex" ? "hex" : "utf8"
        const length = Buffer.byteLength(text, encoding)
        this.take(length)
        this.bytes.write(text, this.at, length, encoding)
        return this.delimited(number, before)
      }
      case "fixed64":
        this.take(8)
        this.bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(String(value))), this.at)
        return this.varint(number << 3 | FIXED_64)
      case "double":
        this.take(8)
        this.bytes.writeDoubleLE(Number(value), this.at)
        return this.varint(number << 3 | FIXED_64)
      case "fixed32":
        this.take(4)
        this.bytes.writeUInt32LE(Number(value) >>> 0, this.at)
        return this.varint(number << 3 | FIXED_32)
      case "count":
        if (Number(value) > 0) this.number(number, Number(value))
        return
      case "int64":
        return Number(value) >= 0 && Number.isSafeInteger(Number(value))
          ? this.number(number, Number(value))
          : this.large(number, BigInt.asUintN(64, BigInt(String(value))))
      case "bool":
      case "varint":
        return this.number(number, Number(value))
    }
  }

  private written(): number {
    return this.bytes.length - this.at
  }

  private delimited(number: number, before: number): void {
    this.varint(this.written() - before)
    this.varint(number << 3 | DELIMITED)
  }

  private number(number: number, value: number): void {
    this.varint(value)
    this.varint(number << 3 | VARINT)
  }

  private large(number: number, value: bigint): void {
    let length = 1
    for (let rest = value >> 7n; rest > 0n; rest >>= 7n) length += 1
    this.take(length)
    for (let at = 0, rest = value; at < length; at += 1, rest >>= 7n) {
      this.bytes[this.at + at] = Number(rest & 0x7fn) | (at < length - 1 ? 0x80 : 0)
    }
    this.varint(number << 3 | VARINT)
  }

  private varint(value: number): void {
    let length = 1
    for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) length += 1
    this.take(length)
    for (let at = 0, rest = value; at < length; at += 1, rest = Math.floor(rest / 0x80)) {
      this.bytes[this.at + at] = rest % 0x80 | (at < length - 1 ? 0x80 : 0)
    }
  }

  /** Makes room before what is there. */
  private take(length: number): void {
    if (length > this.at) {
      const larger = Buffer.allocUnsafe(2 * this.bytes.length + length)
      const written = this.written()
      this.bytes.copy(larger, larger.length - written, this.at)
      this.bytes = larger
      this.at = larger.length - written
    }
    this.at -= length
  }
}

const encoding = (message: Message) => (data: unknown): Uint8Array => {
  const writer = new Writer()
  writer.message(message, data)
  return writer.end()
}

export const traces = encoding(sent("Span", span))
export const logs = encoding(sent("Log", record))
