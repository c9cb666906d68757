import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stamp from "../../src/domain/Stamp.js"

const read = (text: string): string | null => Option.getOrNull(Stamp.parse(text))

const accepted: ReadonlyArray<readonly [text: string, canonical: string]> = [
  ["2026-05-07T08:09:10.123456789+00:00", "2026-05-07T08:09:10.123456789+00:00"],
  ["2026-05-07T08:09:10Z", "2026-05-07T08:09:10.000000000+00:00"],
  ["2026-05-07t08:09:10z", "2026-05-07T08:09:10.000000000+00:00"],
  ["2026-05-07T08:09:10+00:00", "2026-05-07T08:09:10.000000000+00:00"],
  ["2026-05-07T08:09:10-00:00", "2026-05-07T08:09:10.000000000+00:00"],
  ["2026-05-07T08:09:10.5Z", "2026-05-07T08:09:10.500000000+00:00"],
  ["2026-05-07T08:09:10.123+00:00", "2026-05-07T08:09:10.123000000+00:00"],
  ["2026-05-07T08:09:10.123456+00:00", "2026-05-07T08:09:10.123456000+00:00"],
  ["2026-05-07T08:09:10.1234567899999+00:00", "2026-05-07T08:09:10.123456789+00:00"],
  ["2026-05-07T08:09:10.123456789+02:00", "2026-05-07T06:09:10.123456789+00:00"],
  ["2026-01-01T00:30:00+05:45", "2025-12-31T18:45:00.000000000+00:00"],
  ["2025-12-31T23:30:00-23:59", "2026-01-01T23:29:00.000000000+00:00"],
  ["2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000000000+00:00"],
  ["2000-02-29T00:00:00Z", "2000-02-29T00:00:00.000000000+00:00"],
  ["1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999000000+00:00"],
  ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000000+00:00"],
  ["9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999999+00:00"],
  // Leap seconds come at the end of a month in UTC, wherever the clock that shows them stands.
  ["2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000000000+00:00"],
  ["2016-12-31T23:59:60.25Z", "2017-01-01T00:00:00.250000000+00:00"],
  ["2017-01-01T00:59:60+01:00", "2017-01-01T00:00:00.000000000+00:00"],
  ["1990-06-30T15:59:60-08:00", "1990-07-01T00:00:00.000000000+00:00"]
]

const refused = [
  "",
  "now",
  "2026-05-07",
  "2026-05-07T08:09:10",
  "2026-05-07 08:09:10Z",
  "2026-05-07T08:09Z",
  "2026-05-07T08:09:10.Z",
  "2026-05-07T08:09:10,5Z",
  "2026-05-07T08:09:10+0000",
  "2026-05-07T08:09:10+00",
  "2026-05-07T08:09:10+24:00",
  "2026-05-07T08:09:10+00:60",
  "2026-05-07T08:09:10 00:00",
  "2026-05-07T24:00:00Z",
  "2026-05-07T25:00:00Z",
  "2026-05-07T08:60:00Z",
  "2026-05-07T08:09:61Z",
  "2026-05-07T08:09:60Z",
  "2026-05-07T23:59:60Z",
  "2016-12-31T23:59:60+01:00",
  "2026-00-07T08:09:10Z",
  "2026-13-07T08:09:10Z",
  "2026-05-00T08:09:10Z",
  "2026-04-31T08:09:10Z",
  "2026-05-32T08:09:10Z",
  "2026-02-29T08:09:10Z",
  "2026-02-30T08:09:10Z",
  "2026-02-30T08:09:10.000000000+00:00",
  "1900-02-29T08:09:10Z",
  "2026-05-07T24:00:00.000000000+00:00",
  "0000-01-01T00:00:00Z",
  "0000-01-01T00:00:00.000000000+00:00",
  "0001-01-01T00:00:00+00:01",
  "9999-12-31T23:59:59-00:01",
  "9999-12-31T23:59:60Z",
  "10000-01-01T00:00:00Z",
  "+2026-05-07T08:09:10Z",
  " 2026-05-07T08:09:10Z",
  "2026-05-07T08:09:10Z\n",
  "２026-05-07T08:09:10Z"
]

describe("Stamp", () => {
  it.each(accepted)("reads %s", (text, canonical) => {
    assert.strictEqual(read(text), canonical)
  })

  it.each(refused)("refuses %j", (text) => {
    assert.isNull(read(text))
  })

  it("agrees with the calendar of the platform", () => {
    const span = { min: Stamp.MIN_MILLIS, max: Stamp.MAX_MILLIS }
    FastCheck.assert(
      FastCheck.property(FastCheck.integer(span), (millis) => {
        const stamp = Stamp.fromMillis(millis)
        assert.strictEqual(stamp, new Date(millis).toISOString().replace("Z", "000000+00:00"))
        assert.strictEqual(Stamp.toMillis(stamp), millis)
        assert.strictEqual(read(new Date(millis).toISOString()), stamp)
      }),
      { numRuns: 2000 }
    )
  })

  it("knows the last day of every month", () => {
    for (const year of [1600, 1900, 2000, 2023, 2024, 2100]) {
      for (let month = 1; month <= 12; month++) {
        const days = new Date(Date.UTC(year, month, 0)).getUTCDate()
        const at = (day: number) => read(`${year}-${String(month).padStart(2, "0")}-${day}T00:00:00Z`)
        assert.isNotNull(at(days), `${year}-${month}-${days}`)
        assert.isNull(at(days + 1), `${year}-${month}-${days + 1}`)
      }
    }
  })

  it("carries a counter below the milliseconds", () => {
    const stamp = Stamp.fromMillis(1, 42)
    assert.strictEqual(stamp, "1970-01-01T00:00:00.001000042+00:00")
    assert.strictEqual(Stamp.counterOf(stamp), 42)
    assert.strictEqual(Stamp.toMillis(stamp), 1)
    assert.strictEqual(Stamp.fromMillis(1, 999_999), "1970-01-01T00:00:00.001999999+00:00")
  })

  it("stays within what can be written", () => {
    assert.strictEqual(Stamp.fromMillis(Number.MAX_SAFE_INTEGER), "9999-12-31T23:59:59.999000000+00:00")
    assert.strictEqual(Stamp.fromMillis(Number.MIN_SAFE_INTEGER), "0001-01-01T00:00:00.000000000+00:00")
  })

  it("is a schema that reads what parse reads", () => {
    const decode = Schema.decodeUnknownOption(Stamp.Stamp)
    assert.strictEqual(Option.getOrNull(decode("2026-05-07T08:09:10Z")), "2026-05-07T08:09:10.000000000+00:00")
    assert.isTrue(Option.isNone(decode("2026-02-30T08:09:10Z")))
    assert.isTrue(Option.isNone(decode(12)))
    const stamp = Stamp.fromMillis(5)
    assert.strictEqual(Schema.encodeSync(Stamp.Stamp)(stamp), stamp)
    assert.isFalse(Schema.is(Stamp.Stamp)("2026-05-07T08:09:10Z"))
  })
})
