import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { readdirSync, readFileSync } from "node:fs"
import { request } from "node:http"
import type * as NodeConfig from "../../src/config/NodeConfig.js"
import * as Node from "../http/node.js"

const withNode = async (settings: Partial<NodeConfig.Settings>, body: (node: Node.Node) => Promise<void>) => {
  const node = await Node.start(settings)
  try {
    await body(node)
  } finally {
    await node.stop()
  }
}

/** As a browser asks for a page. */
const HTML = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

const page = (url: string, headers: Record<string, string> = {}) =>
  fetch(url, { headers: { accept: HTML, ...headers } })

/** What a page loads, by its own words. */
const loadedBy = (html: string): ReadonlyArray<string> =>
  Array.from(html.matchAll(/<(?:script|link)\b[^>]*?\b(?:src|href)="([^"]+)"/g), ([, path = ""]) => path)

const browser = "dist/console/browser"

describe("the pages of a node", () => {
  it("are there for a browser, with all that they load", () =>
    withNode({}, async ({ url }) => {
      for (const path of ["/", "/console", "/console/"]) {
        const answer = await page(`${url}${path}`)
        assert.strictEqual(answer.status, 200, path)
        assert.strictEqual(answer.headers.get("content-type"), "text/html; charset=utf-8")
        const html = await answer.text()
        const loaded = loadedBy(html)
        assert.isAtLeast(loaded.length, 3, path)
        for (const each of loaded) {
          const part = await fetch(`${url}${each}`)
          assert.strictEqual(part.status, 200, each)
          assert.match(part.headers.get("content-type") ?? "", /^(?:text\/javascript|text\/css|image\/svg\+xml)/, each)
          assert.isAbove((await part.text()).length, 100, each)
        }
      }
    }))

  it("say what this is and how an agent is connected", () =>
    withNode({}, async ({ url }) => {
      const html = await (await page(`${url}/`)).text()
      for (const client of ["claude-code", "claude-desktop", "cursor", "vscode", "codex", "gemini"]) {
        assert.include(html, `quorate install ${client}`)
      }
      for (const link of ["/console", "/docs", "/openapi.json", "/metrics"]) assert.include(html, `href="${link}"`)
      assert.include(html, "http://127.0.0.1:9077/mcp")
    }))

  it("are no answer to a program: that is told that nothing is there, as before", () =>
    withNode({}, async ({ url }) => {
      for (const accept of ["application/json", "*/*", "application/json, text/html;q=0"]) {
        const answer = await fetch(`${url}/`, { headers: { accept } })
        assert.strictEqual(answer.status, 404, accept)
        assert.deepStrictEqual(await answer.json(), { error: "no such route" })
        assert.strictEqual(answer.headers.get("vary"), "Accept")
      }
      assert.strictEqual((await fetch(`${url}/`, { method: "POST", headers: { accept: HTML } })).status, 405)
    }))

  it("take nothing from elsewhere, are in no frame of others, and run nothing that stands in them", () =>
    withNode({}, async ({ url }) => {
      const parts = ["/", "/console", ...loadedBy(await (await page(`${url}/console`)).text())]
      for (const path of parts) {
        const { headers } = await page(`${url}${path}`)
        const policy = new Map(
          (headers.get("content-security-policy") ?? "").split(/; */).map((each) => {
            const [name = "", ...values] = each.split(" ")
            return [name, values.join(" ")] as const
          })
        )
        assert.strictEqual(policy.get("default-src"), "'none'", path)
        for (const own of ["script-src", "style-src", "img-src", "connect-src"]) {
          assert.strictEqual(policy.get(own), "'self'", `${path} ${own}`)
        }
        for (const none of ["frame-ancestors", "base-uri", "form-action"]) {
          assert.strictEqual(policy.get(none), "'none'", `${path} ${none}`)
        }
        assert.strictEqual(policy.get("require-trusted-types-for"), "'script'", path)
        assert.strictEqual(headers.get("x-content-type-options"), "nosniff", path)
        assert.strictEqual(headers.get("referrer-policy"), "no-referrer", path)
        assert.strictEqual(headers.get("x-frame-options"), "DENY", path)
        assert.strictEqual(headers.get("cross-origin-opener-policy"), "same-origin", path)
        assert.strictEqual(headers.get("cross-origin-resource-policy"), "same-origin", path)
      }
      for (const path of ["/", "/console"]) {
        const html = await (await page(`${url}${path}`)).text()
        assert.notMatch(
          html,
          /<script(?![^>]*\bsrc=)|<style|\bstyle=|\son[a-z]+=|https?:\/\/(?!127\.0\.0\.1:9077)/,
          path
        )
      }
    }))

  it("are asked for again each time, and sent again only when they are others", () =>
    withNode({}, async ({ url }) => {
      for (const path of ["/", "/console", "/console/console.js"]) {
        const first = await page(`${url}${path}`)
        assert.strictEqual(first.headers.get("cache-control"), "no-cache", path)
        const tag = first.headers.get("etag") ?? ""
        assert.match(tag, /^"[\w-]{20,}"$/)
        const again = await page(`${url}${path}`, { "if-none-match": `W/"other", ${tag}` })
        assert.strictEqual(again.status, 304, path)
        assert.strictEqual(await again.text(), "")
        assert.strictEqual(again.headers.get("etag"), tag)
        assert.strictEqual((await page(`${url}${path}`, { "if-none-match": "\"other\"" })).status, 200, path)
        assert.strictEqual((await fetch(`${url}${path}`, { method: "HEAD", headers: { accept: HTML } })).status, 200)
      }
    }))

  it("need no key, and hold nothing that does", () =>
    withNode({ apiKey: Option.some(Redacted.make("k")) }, async ({ url }) => {
      const write = await fetch(`${url}/api/v1/memories`, {
        method: "POST",
        headers: { "content-type": "application/json", "x-api-key": "k" },
        body: JSON.stringify({ title: "a secret matter", content: "of nobody else" })
      })
      assert.strictEqual(write.status, 201)
      for (const path of ["/", "/console", "/console/console.js", "/console/console.css", "/console/home.js"]) {
        const answer = await page(`${url}${path}`)
        assert.strictEqual(answer.status, 200, path)
        assert.notInclude(await answer.text(), "secret matter")
      }
      assert.strictEqual((await page(`${url}/api/v1/memories`)).status, 401)
      assert.strictEqual((await page(`${url}/docs`)).status, 401)
      assert.strictEqual((await page(`${url}/console/nothing.js`)).status, 401)
    }))

  it("are none of the place where nodes come", () =>
    withNode({ peerListen: Option.some({ host: "127.0.0.1", port: 0 }) }, async ({ peerUrl }) => {
      for (const path of ["/", "/console", "/console/console.js"]) {
        assert.strictEqual((await page(`${Option.getOrThrow(peerUrl)}${path}`)).status, 404, path)
      }
    }))

  it("are not shown under a name that is not this node's", () =>
    withNode({}, async ({ port }) => {
      for (const path of ["/", "/console", "/console/console.js"]) {
        const status = await new Promise((resolve, reject) => {
          request({ port, host: "127.0.0.1", path, headers: { host: "evil.example", accept: HTML } }, (response) => {
            response.resume()
            resolve(response.statusCode)
          }).on("error", reject).end()
        })
        assert.strictEqual(status, 421, path)
      }
    }))

  it("are files of the package, which no build makes where it is installed", () => {
    const files = readdirSync(browser).filter((file) => !file.endsWith(".map")).toSorted()
    assert.deepStrictEqual(files, ["console.css", "console.html", "console.js", "home.html", "home.js", "icon.svg"])
    for (const file of files) {
      const text = readFileSync(`${browser}/${file}`, "utf8")
      // Whatever else stands in an address is an example, or the name of a kind of document.
      for (const [address = ""] of text.matchAll(/https?:\/\/[^\s"'`<]+/g)) {
        assert.match(address, /^http:\/\/(?:127\.0\.0\.1:9077|www\.w3\.org\/2000\/svg)/, file)
      }
      assert.notMatch(
        text,
        /\binnerHTML\b|\bouterHTML\b|insertAdjacentHTML|document\.write|\beval\(|new Function/,
        file
      )
    }
  })
})
