import * as HttpApi from "@effect/platform/HttpApi"
import { assert } from "@effect/vitest"
import * as Schema from "effect/Schema"
import type * as SchemaAST from "effect/SchemaAST"
import { Api } from "../../src/http/contract/Api.js"
import { push, since } from "../../src/http/contract/sync.js"

/** An endpoint of the contract, with what it may answer under each status. */
export interface Contracted {
  /** Of its group, too: names are unique within a group only. */
  readonly name: string
  readonly method: string
  readonly path: string
  readonly successes: ReadonlyMap<number, SchemaAST.AST>
}

const collect = (): ReadonlyArray<Contracted> => {
  const found: Array<Contracted> = []
  HttpApi.reflect(Api, {
    onGroup: () => {},
    onEndpoint: ({ endpoint, group, successes }) => {
      found.push({
        name: `${group.identifier}.${endpoint.name}`,
        method: endpoint.method,
        path: endpoint.path,
        successes: new Map(
          Array.from(successes, ([status, { ast }]) => ast._tag === "Some" ? [[status, ast.value] as const] : []).flat()
        )
      })
    }
  })
  return found
}

export const endpoints = collect()

/** What an answer to a request is to be read by, when it is a success in JSON. */
export const successOf = (method: string, path: string, status: number): SchemaAST.AST | undefined => {
  const served = endpoints.filter((endpoint) => endpoint.method === method)
  const endpoint = served.find((one) => one.path === path) ?? served.find((one) => patternOf(one.path).test(path))
  return endpoint?.successes.get(status)
}

const patternOf = (path: string) => new RegExp(`^${path.replace(/:\w+/g, "[^/]+")}$`)

/** Answers that say more than the contract shows: what nodes of the original read, or write. */
const SAYING_MORE: ReadonlySet<string> = new Set([push.path, since.path])

/** Any answer may have them beside what its endpoint says. */
const withoutWarnings = (json: unknown): unknown => {
  if (typeof json !== "object" || json === null || Array.isArray(json)) return json
  const { warnings, ...said }: Readonly<Record<string, unknown>> = { ...json }
  if (warnings !== undefined) assert.isTrue(Array.isArray(warnings) && warnings.every((one) => typeof one === "string"))
  return said
}

/**
 * Fails when a success is not what the contract says of it: also where it says more. Reading it and writing it again must
 * come to the same JSON.
 */
export const check = (
  request: { readonly method: string; readonly path: string },
  answer: { readonly status: number; readonly contentType: string | undefined; readonly text: string }
): void => {
  const [path = ""] = request.path.split("?", 1)
  const ast = successOf(request.method, path, answer.status)
  if (ast === undefined || answer.contentType !== "application/json" || answer.text === "") return
  const schema = Schema.make<unknown, unknown, never>(ast)
  const json = withoutWarnings(JSON.parse(answer.text))
  const name = `${request.method} ${path}`
  if (SAYING_MORE.has(path)) {
    Schema.decodeUnknownSync(schema)(json)
    return
  }
  const decoded = Schema.decodeUnknownEither(schema, { onExcessProperty: "error" })(json)
  if (decoded._tag === "Left") assert.fail(`${name}: ${decoded.left.message}`)
  assert.deepStrictEqual(Schema.encodeSync(schema)(decoded.right), json, name)
}
