import * as Schema from "effect/Schema"
import { Stamp } from "../../domain/Stamp.js"
import { Tier } from "../../domain/Tier.js"

/*
 * Parameters of a query string. What is wrong with one is told by a fixed text, because the default messages of schemas
 * repeat the value. A parameter given twice is wrong, too.
 */

/**
 * A whole number from `least`; a greater one than `most` is taken as `most`, as the original does it. The operation knows
 * what is `usual`.
 */
export const count = (
  name: string,
  bounds: { readonly least: number; readonly most: number; readonly usual: number }
) =>
  Schema.optional(
    told(
      Schema.transform(Schema.String.pipe(Schema.pattern(/^[0-9]{1,15}$/)), Schema.Int, {
        strict: true,
        decode: (text) => Math.min(Number(text), bounds.most),
        encode: String
      }).pipe(Schema.filter((value) => value >= bounds.least)),
      `${name} must be a whole number from ${bounds.least}; more than ${bounds.most} is taken as ${bounds.most}`,
      { type: "integer", minimum: bounds.least, default: bounds.usual }
    )
  )

/** A whole number in bounds that both matter. */
export const integer = (name: string, bounds: { readonly least: number; readonly most: number }) =>
  Schema.optional(
    told(
      Schema.transform(Schema.String.pipe(Schema.pattern(/^-?[0-9]{1,10}$/)), Schema.Int, {
        strict: true,
        decode: Number,
        encode: String
      }).pipe(Schema.between(bounds.least, bounds.most)),
      `${name} must be a whole number ${bounds.least}..${bounds.most}`,
      { type: "integer", minimum: bounds.least, maximum: bounds.most }
    )
  )

/** A number from 0 to 1. */
export const share = (name: string, description: string) =>
  Schema.optional(
    told(
      Schema.transform(Schema.String.pipe(Schema.pattern(/^(?:0|1|0?\.[0-9]{1,17}|1\.0{1,17})$/)), Schema.Number, {
        strict: true,
        decode: Number,
        encode: String
      }).pipe(Schema.between(0, 1)),
      `${name} must be a number 0..1`,
      { type: "number", minimum: 0, maximum: 1, default: 0, description }
    )
  )

/** A point in time. An unescaped `+` of the offset arrives as a space, and is taken for what it was. */
export const stamp = (name: string) =>
  Schema.optional(
    told(
      Schema.compose(
        Schema.transform(Schema.String, Schema.String, {
          strict: true,
          decode: (text) => text.replace(" ", "+"),
          encode: (text) => text
        }),
        Stamp
      ),
      `${name} must be an RFC 3339 timestamp`,
      { type: "string", format: "date-time" }
    )
  )

export const tier = Schema.optional(told(Tier, "tier must be short, mid or long", { enum: ["short", "mid", "long"] }))

/** `true` and `1`, or `false` and `0`. */
export const flag = (name: string, description: string, options: { readonly usual: boolean } = { usual: false }) =>
  Schema.optional(
    told(
      Schema.transform(Schema.Literal("true", "1", "false", "0"), Schema.Boolean, {
        strict: true,
        decode: (text) => text === "true" || text === "1",
        encode: (value) => value ? "true" : "false"
      }),
      `${name} must be true or false`,
      { type: "boolean", default: options.usual, description }
    )
  )

/** One of a few words. */
export const choice = <const Words extends readonly [string, ...ReadonlyArray<string>]>(name: string, words: Words) =>
  Schema.optional(told(Schema.Literal(...words), `${name} must be one of ${words.join(", ")}`, { enum: words }))

export const text = (name: string, description: string) =>
  Schema.optional(told(Schema.String, `${name} must be given once`, { type: "string", description }))

export const requiredText = (
  parameter: { readonly name: string; readonly called: string },
  description: string
) =>
  Schema.propertySignature(
    told(Schema.String, `${parameter.name} must be given once`, { type: "string", minLength: 1, description })
  ).annotations({ missingMessage: () => `${parameter.called} is required` })

/** Fails with the given text whatever is wrong, and looks in the contract as given. */
function told<A, I>(schema: Schema.Schema<A, I>, problem: string, jsonSchema: object): Schema.Schema<A, I> {
  return schema.annotations({
    message: () => ({ message: problem, override: true }),
    description: problem,
    jsonSchema: { description: problem, ...jsonSchema }
  })
}
