import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Effect from "effect/Effect"
import { reply, routeNotFound } from "../http/calls/Refusal.js"
import * as Reply from "../http/calls/Reply.js"
import { PAGES } from "../http/calls/routes.js"
import * as Assets from "./assets.js"

/*
 * What a person sees who opens a node in a browser. These files hold nothing that a node knows: what the console shows it
 * asks of the routes of the contract, with the key that somebody gave it.
 */

const HOME = "/"

/** The routes of the pages. Without their files a node serves all the rest, and says so once. */
export const layer = HttpApiBuilder.Router.use((router) =>
  Effect.gen(function*() {
    const assets = yield* Assets.load(PAGES.map(({ file }) => file)).pipe(
      Effect.catchAll((missing) => Effect.as(Effect.logWarning(missing.message), new Map<string, Assets.Asset>()))
    )
    yield* Effect.forEach(PAGES, ({ file, path }) => router.get(path, serve(assets.get(file), path === HOME)))
  })
)

const serve = (asset: Assets.Asset | undefined, isNegotiated: boolean) =>
  Effect.map(HttpServerRequest.HttpServerRequest, ({ headers }) => {
    const vary: Record<string, string> = isNegotiated ? { vary: "Accept" } : {}
    if (asset === undefined || (isNegotiated && !asksForHtml(headers["accept"] ?? ""))) {
      return Reply.toResponse({ ...reply(routeNotFound), headers: vary })
    }
    const { body, contentType, etag } = asset
    const headersOfAsset = { ...PROTECTION, ...vary, "cache-control": "no-cache", etag }
    const isKnown = headers["if-none-match"]?.split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag)
    return Reply.toResponse(
      isKnown === true
        ? { status: 304, headers: headersOfAsset, contentType, body: "" }
        : { status: 200, headers: headersOfAsset, contentType, body }
    )
  })

/** A browser names it. A program that takes anything is told what it was told before there was a page. */
const asksForHtml = (accept: string): boolean =>
  accept.split(",").some((range) => /^\s*text\/html\s*(?:;(?!.*\bq=0(?:\.0*)?\s*(?:;|$)).*)?$/i.test(range))

/** A page runs its own files, speaks with its own node, and stands in no frame; no text becomes a part of it. */
const PROTECTION = {
  "content-security-policy": [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'"
  ].join("; "),
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin"
}
