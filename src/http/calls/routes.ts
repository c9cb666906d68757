import * as HttpApi from "@effect/platform/HttpApi"
import { Api } from "../contract/Api.js"

/** A path of the contract: its pattern names it in metrics and spans, so that their labels are a closed set. */
export interface Route {
  readonly pattern: string
  readonly methods: ReadonlyArray<string>
}

/** The pattern of everything that is not in the contract. */
export const UNKNOWN = "unknown"

export const OPENAPI_PATH = "/openapi.json"
export const DOCS_PATH = "/docs"

/** The route that a path belongs to, whatever the method. */
export const find = (path: string): Route | undefined =>
  fixed.get(path) ?? patterns.find(({ test }) => test(path))?.route

/** The value of an `Allow` header. */
export const allowOf = ({ methods }: Route): string => methods.join(", ")

const collect = (): ReadonlyArray<Route> => {
  const methods = new Map<string, Array<string>>([[OPENAPI_PATH, ["GET"]], [DOCS_PATH, ["GET"]]])
  HttpApi.reflect(Api, {
    onGroup: () => {},
    onEndpoint: ({ endpoint: { method, path } }) => {
      methods.set(path, [...methods.get(path) ?? [], method])
    }
  })
  return Array.from(methods, ([pattern, verbs]) => ({ pattern, methods: withImplied(verbs) }))
}

/** What follows from the methods of the contract: HEAD from GET, and OPTIONS everywhere. */
const withImplied = (methods: ReadonlyArray<string>) => [
  ...methods.flatMap((method) => method === "GET" ? ["GET", "HEAD"] : [method]),
  "OPTIONS"
]

const all = collect()

const fixed = new Map(all.flatMap((route) => route.pattern.includes(":") ? [] : [[route.pattern, route] as const]))

const patterns = all.filter(({ pattern }) => pattern.includes(":")).map((route) => {
  const shape = new RegExp(`^${route.pattern.replace(/:\w+/g, "[^/]*")}$`)
  return { route, test: (path: string) => shape.test(path) }
})
