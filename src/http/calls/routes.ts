import * as HttpApi from "@effect/platform/HttpApi"
import type * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import { type Need, needOf, needs as needsOfAll } from "../contract/access.js"
import { Api } from "../contract/Api.js"

/** A path of the contract: its pattern names it in metrics and spans, so that their labels are a closed set. */
export interface Route {
  readonly pattern: string
  readonly methods: ReadonlyArray<string>
  /** What a key must open for a method; none for one that there is not. */
  readonly needs: ReadonlyMap<string, Need>
}

/** The pattern of everything that is not in the contract. */
export const UNKNOWN = "unknown"

export const OPENAPI_PATH = "/openapi.json"
export const DOCS_PATH = "/docs"
/** Of the Model Context Protocol, in which clients ask for what endpoints of the contract answer. */
export const MCP_PATH = "/mcp"

/** What a browser shows to people: what it is about, and the console, with the files that they are made of. */
export const PAGES = [
  { path: "/", file: "home.html" },
  { path: "/console", file: "console.html" },
  { path: "/console/", file: "console.html" },
  { path: "/console/console.css", file: "console.css" },
  { path: "/console/console.js", file: "console.js" },
  { path: "/console/home.js", file: "home.js" },
  { path: "/console/icon.svg", file: "icon.svg" }
] as const

/**
 * The route that a path belongs to, its escapes undone as the router undoes them. Where several have it, that of the method: one
 * may be called as another one's parameter.
 */
export const find = (path: string, method: string | undefined): Route | undefined => {
  const plain = path.includes("%") ? unescaped(path) : path
  const named = fixed.get(plain)
  if (named !== undefined && named.needs.has(method ?? "")) return named
  const shaped = patterns.flatMap(({ route, test }) => test(plain) ? [route] : [])
  return shaped.find(({ needs }) => needs.has(method ?? "")) ?? named ?? shaped[0]
}

const unescaped = (path: string): string => {
  try {
    return decodeURI(path)
  } catch {
    return path
  }
}

/**
 * Whether a request is one of this endpoint as keys were asked for it: what else the router makes of a path, for which it ends at
 * a `;`, opens nothing.
 */
export const leadsTo = (
  { path }: { readonly path: string },
  { method, url }: { readonly method: string; readonly url: string }
): boolean => find(pathOf(url), method)?.pattern === path

export const pathOf = (url: string): string => url.split("?", 1)[0] ?? ""

/** The value of an `Allow` header. */
export const allowOf = ({ methods }: Route): string => methods.join(", ")

const collect = (): ReadonlyArray<Route> => {
  const needs = new Map<string, Map<string, Need>>([
    [OPENAPI_PATH, new Map([READ])],
    [DOCS_PATH, new Map([READ])],
    [MCP_PATH, new Map([["POST", "any"]])],
    ...PAGES.map(({ path }) => [path, new Map([PAGE])] as const)
  ])
  HttpApi.reflect(Api, {
    onGroup: () => {},
    onEndpoint: ({ endpoint: { method, name, path }, group }) => {
      const ofPath = needs.get(path) ?? new Map<string, Need>()
      needs.set(path, ofPath.set(method, needOf(group.identifier, name)))
    }
  })
  return Array.from(needs, ([pattern, ofPath]) => {
    const ofGet = ofPath.get("GET")
    const methods = withImplied(Array.from(ofPath.keys()))
    return { pattern, methods, needs: ofGet === undefined ? ofPath : ofPath.set("HEAD", ofGet) }
  })
}

const READ = ["GET", "read"] as const
const PAGE = ["GET", "page"] as const

/** Every endpoint of the contract, as the OpenAPI document calls it. */
type Operation = typeof Api extends HttpApi.HttpApi<infer _Id, infer Groups, infer _E, infer _R> ? OperationOf<Groups>
  : never

/** Of each group. */
type OperationOf<Group> = Group extends HttpApiGroup.HttpApiGroup<infer Id, infer Endpoints, infer _E, infer _R>
  ? Endpoints extends { readonly name: infer Name extends string } ? `${Id}.${Name}` : never
  : never

needsOfAll satisfies Readonly<Record<Operation, Need>>

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
