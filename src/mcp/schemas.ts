import * as JSONSchema from "effect/JSONSchema"
import * as Predicate from "effect/Predicate"
import type * as SchemaAST from "effect/SchemaAST"

/*
 * What a tool takes and answers, as JSON Schema, from the schemas of the endpoint that it stands for: so it says what the contract
 * says, with its bounds and its descriptions.
 */

type Json = string | number | boolean | null | Array<Json> | { [name: string]: Json }

type Properties = { [name: string]: Json }

/** The schema of an object, as tools have them: `$defs` are those that it refers to. */
export interface ObjectSchema {
  readonly [name: string]: unknown
  readonly type: "object"
  readonly properties: Properties
  readonly required: Array<string>
}

interface Schema {
  readonly ast: SchemaAST.AST
}

const DEFINITIONS = "#/$defs/"

/** The object that a schema describes, what else there may be in it included. Of a union: all fields, and those required that all have. */
export const objectOf = ({ ast }: Schema): ObjectSchema => {
  const definitions: Record<string, JSONSchema.JsonSchema7> = {}
  const made = JSONSchema.fromAST(ast, {
    definitions,
    definitionPath: DEFINITIONS,
    additionalPropertiesStrategy: "allow",
    topLevelReferenceStrategy: "skip",
    target: "jsonSchema2020-12"
  })
  const defs: Properties = plain(definitions)
  const members = membersOf(plain(made), defs).map(partsOf)
  const [first, ...others] = members
  const properties = Object.assign({}, ...members.map((member) => member.properties).reverse())
  const required = (first?.required ?? []).filter((name) => others.every((other) => other.required.includes(name)))
  return within(properties, required, defs)
}

/** The same with these fields alone. */
const pick = ({ $defs, properties, required }: ObjectSchema, names: ReadonlyArray<string>): ObjectSchema =>
  within(
    Object.fromEntries(Object.entries(properties).filter(([name]) => names.includes(name))),
    required.filter((name) => names.includes(name)),
    isObject($defs) ? plain($defs) : {}
  )

/** The same without these. */
export const omit = (schema: ObjectSchema, names: ReadonlyArray<string>): ObjectSchema =>
  pick(schema, Object.keys(schema.properties).filter((name) => !names.includes(name)))

/** The same with further fields, and further words on some that it has. */
export const extend = (
  { $defs, properties, required }: ObjectSchema,
  more: { readonly [name: string]: Properties },
  needed: ReadonlyArray<string> = []
): ObjectSchema => {
  const added = Object.entries(more).map(([name, words]) => {
    const old = properties[name]
    return [name, { ...(isObject(old) ? old : {}), ...words }] as const
  })
  return within(
    { ...properties, ...Object.fromEntries(added) },
    [...needed, ...required],
    isObject($defs) ? plain($defs) : {}
  )
}

export const empty: ObjectSchema = { type: "object", properties: {}, required: [] }

/** With those definitions that are referred to, by others of them as well. */
const within = (properties: Properties, required: Array<string>, defs: Properties): ObjectSchema => {
  const needed = new Set<string>()
  const look = (value: Json): void => {
    if (Array.isArray(value)) return value.forEach(look)
    if (!isObject(value)) return
    for (const [name, part] of Object.entries(value)) {
      const target = name === "$ref" && Predicate.isString(part) ? part.slice(DEFINITIONS.length) : undefined
      if (target !== undefined && !needed.has(target)) {
        needed.add(target)
        look(defs[target] ?? {})
      } else look(part)
    }
  }
  look(properties)
  const kept = Object.fromEntries(Object.entries(defs).filter(([name]) => needed.has(name)))
  return { type: "object", properties, required, ...(needed.size === 0 ? {} : { $defs: kept }) }
}

const membersOf = (schema: Json, defs: Properties): ReadonlyArray<Properties> => {
  if (!isObject(schema)) return []
  const { $ref, anyOf } = schema
  if (Predicate.isString($ref)) return membersOf(defs[$ref.slice(DEFINITIONS.length)] ?? {}, defs)
  return Array.isArray(anyOf) ? anyOf.flatMap((member) => membersOf(member, defs)) : [schema]
}

const partsOf = ({ properties, required }: Properties) => ({
  properties: isObject(properties) ? properties : {},
  required: Array.isArray(required) ? required.filter(Predicate.isString) : []
})

const isObject = (value: unknown): value is Properties => Predicate.isRecord(value)

/** As it is written. */
const plain = (value: object): Properties => JSON.parse(JSON.stringify(value))
