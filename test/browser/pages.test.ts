import { afterAll, assert, beforeAll, describe } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Page } from "playwright-core"
import { daemon } from "../daemon.js"
import * as Cluster from "../mesh/Cluster.js"
import * as Browser from "./browser.js"
import { fits, isLegible, isNamed } from "./looking.js"

/** Markup, code, addresses and signs that turn the direction, wherever a text may stand. */
const HOSTILE = [
  "<img src=x onerror=\"document.title='owned'\">",
  "<script>document.title='owned'</script>",
  "\"><svg onload=document.title='owned'>",
  "[x](javascript:document.title='owned') javascript:document.title='owned'",
  "{{constructor.constructor('document.title=1')()}} ${document.title}",
  `\u202Etxt.exe ${"wide".repeat(100)}`
]

const VIEWS = ["ask?q=heron", "memories", "write", "conflicts", "pending", "mesh", "dead-letters"]

const started = async ({ members: [only] }: Awaited<ReturnType<typeof Cluster.make>>): Promise<Cluster.Member> => {
  assert.isDefined(only)
  await only.start()
  return only
}

const post = async (node: Cluster.Member, path: string, body: unknown, headers: Record<string, string> = {}) => {
  const response = await fetch(`${node.url}/api/v1${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body)
  })
  assert.isBelow(response.status, 300, await response.clone().text())
  const answer: unknown = await response.json()
  return Object(answer)
}

describe("the pages", () => {
  const { page: open, test } = Browser.suite()
  let cluster: Awaited<ReturnType<typeof Cluster.make>>
  let node: Cluster.Member
  let hostile: string
  const places = () => [...VIEWS, `memory/${hostile}`, `edit/${hostile}`]

  beforeAll(async () => {
    if (!Browser.isThere) return
    cluster = await Cluster.make({ size: 1 })
    node = await started(cluster)
    const [title = ""] = HOSTILE
    const { id } = await post(node, "/memories", {
      title,
      content: `heron ${HOSTILE.join("\n")}`,
      tags: HOSTILE.slice(0, 3).map((tag) => tag.slice(0, 60)),
      metadata: { agent_id: "ai:x", note: title }
    })
    hostile = String(id)
    await post(node, "/memories", { title: "A heron", content: "In the reeds.", namespace: "birds" })
    await post(node, "/namespaces", { namespace: "asks", governance: { write: "approve" } })
    await post(node, "/memories", { title, content: HOSTILE.join("\n"), namespace: "asks" })
    const row = {
      tier: "long",
      tags: [],
      priority: 5,
      confidence: 1,
      source: "import",
      access_count: 0,
      namespace: "met"
    }
    const at = (day: number) => `2026-01-0${day}T00:00:00.000000000+00:00`
    await post(node, "/import", {
      memories: [1, 2].map((day) => ({
        ...row,
        id: `m${day}`,
        title,
        content: HOSTILE.join("\n"),
        created_at: at(1),
        updated_at: at(day)
      }))
    })
  }, 60_000)
  afterAll(() => cluster?.close())

  const ready = async (page: Page) => {
    await page.getByRole("heading", { level: 1 }).waitFor()
    await page.locator("main > [aria-busy]").waitFor({ state: "detached" })
  }
  const view = async (place: string, options: Parameters<typeof open>[1] = {}) => {
    const page = await open(`${node.url}/console#/${place}`, options)
    await ready(page)
    return page
  }

  test("show a text as a text, whatever is in it", async () => {
    for (const place of places()) {
      const page = await view(place)
      const shown = await page.locator("main").innerText()
      const inFields = await page.locator("main").locator("input, textarea").evaluateAll((all) =>
        all.map((each) => String(Reflect.get(each, "value"))).join("\n")
      )
      if (!["write", "mesh", "dead-letters"].includes(place)) {
        assert.include(`${shown}${inFields}`, "<img src=x onerror", place)
      }
      assert.strictEqual(
        await page.locator("main").locator("img, svg, script, iframe, object, embed").count(),
        0,
        place
      )
      assert.notInclude(await page.title(), "owned", place)
      const links = await page.locator("main a").evaluateAll((all) =>
        all.map((each) => String(Reflect.get(each, "href")))
      )
      for (const link of links) assert.isTrue(link.startsWith(`${node.url}/`), link)
      await page.context().close()
    }
  })

  test("have a name for everything, and their landmarks", async () => {
    const home = await open(`${node.url}/`)
    await home.getByText("It works.").waitFor()
    await isNamed(home, "/")
    for (const place of places()) {
      const page = await view(place)
      await isNamed(page, place)
      assert.strictEqual(await page.getByRole("heading", { level: 1 }).count(), 1, place)
      assert.strictEqual(await page.getByRole("navigation", { name: "Views" }).count(), 1)
      await page.context().close()
    }
    const page = await view("ask")
    await page.getByRole("button", { name: "Keyboard" }).click()
    await page.getByRole("dialog", { name: "Keyboard" }).waitFor()
    await isNamed(page, "the dialog")
  })

  test("fit a phone and a desk, and are legible in the light and in the dark", async () => {
    const grounds = new Set<string>()
    const looksRight = async (page: Page, where: string) => {
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme, reducedMotion: "reduce" })
        for (const width of [400, 1280]) {
          await page.setViewportSize({ width, height: 800 })
          await fits(page, `${where} at ${width}`)
          await isLegible(page, `${where} in the ${colorScheme}`)
          grounds.add(await page.evaluate<string>("getComputedStyle(document.body).backgroundColor"))
        }
      }
    }
    for (const place of places()) {
      const page = await view(place)
      for (const more of await page.locator("main summary").all()) await more.click()
      await looksRight(page, place)
      await page.context().close()
    }
    const home = await open(`${node.url}/`)
    await home.getByText("It works.").waitFor()
    await looksRight(home, "/")
    assert.strictEqual(grounds.size, 2)
  })

  const focused = (page: Page) => page.evaluate<string>("document.activeElement.innerText || document.activeElement.id")
  /** What has the focus is seen to have it. */
  const ring = (page: Page) =>
    page.evaluate<number>(
      "(({ outlineStyle, outlineWidth }) => outlineStyle === 'none' ? 0 : parseFloat(outlineWidth))(getComputedStyle(document.activeElement))"
    )

  test("are used by the keyboard alone", async () => {
    const page = await view("ask")
    const press = (...keys: ReadonlyArray<string>) =>
      keys.reduce((before, key) => before.then(() => page.keyboard.press(key)), Promise.resolve())
    await press("Tab")
    assert.strictEqual(await focused(page), "Skip to the content")
    await press("Tab", "Tab")
    assert.strictEqual(await focused(page), "Ask")
    assert.isAtLeast(await ring(page), 2)

    // Through everything, and each of it is seen.
    await page.evaluate("document.activeElement.blur()")
    const seen: Array<string> = []
    for (let step = 0; step < 25 && !seen.includes("the button"); step++) {
      await press("Tab")
      const what = await focused(page)
      if (await page.evaluate<boolean>("document.activeElement !== document.body")) {
        assert.isAtLeast(await ring(page), 1, what)
      }
      seen.push(
        await page.evaluate<boolean>("document.activeElement.matches('main button.first')") ? "the button" : what
      )
    }
    assert.includeMembers(seen, ["Memories", "Dead letters", "Key", "Keyboard", "the button"])

    await press("/")
    assert.strictEqual(await page.evaluate("document.activeElement.type"), "search")
    await page.keyboard.type("heron g m ?")
    await press("Enter")
    await page.getByRole("list", { name: "Results" }).waitFor()
    assert.strictEqual(await page.getByRole("dialog").count(), 0, "where somebody writes a key is a letter")
    await page.evaluate("document.activeElement.blur()")
    await press("j")
    assert.isAtLeast(await ring(page), 2)
    const first = await focused(page)
    await press("j")
    assert.notStrictEqual(await focused(page), first)
    await press("k")
    assert.strictEqual(await focused(page), first)
    await press("Enter")
    await page.getByRole("heading", { level: 1, name: "Memory" }).waitFor()
    assert.strictEqual(await focused(page), "Memory", "who changes the view reads on where that begins")
    await press("g", "n")
    await page.getByRole("heading", { level: 1, name: "Mesh" }).waitFor()
    await ready(page)
  })

  test("list their shortcuts, and can do without them", async () => {
    const page = await view("ask")
    const press = (key: string) => page.keyboard.press(key)
    const keyboard = page.getByRole("button", { name: "Keyboard" })
    await keyboard.focus()
    await press("?")
    const dialog = page.getByRole("dialog", { name: "Keyboard" })
    await dialog.getByRole("row", { name: "g d Dead letters" }).waitFor()
    await press("Escape")
    await dialog.waitFor({ state: "detached" })
    assert.strictEqual(await focused(page), "Keyboard", "the focus is where it was")
    await press("Enter")
    await dialog.getByLabel("Single keys do this").uncheck()
    await dialog.getByRole("button", { name: "Close" }).click()
    await press("g")
    await press("m")
    await press("?")
    await page.waitForTimeout(300)
    assert.strictEqual(await page.getByRole("dialog").count(), 0)
    assert.include(page.url(), "#/ask")
  })

  test("say what came of something to those who listen", async () => {
    const page = await view("ask?q=heron")
    await page.getByRole("status").getByText(/^\d memor(?:y|ies) found\.$/).waitFor()
    await page.getByLabel("What do you want to know?").fill("")
    const write = await view("write", { refused: [400] })
    await write.getByLabel("Title").fill("t")
    await write.getByLabel("Content").fill("c")
    await write.getByLabel("Priority").fill("77")
    await write.getByRole("button", { name: "Store" }).click()
    await write.getByRole("alert").getByText(/priority/).waitFor()
  })
})

describe("the pages of a node with keys", () => {
  const { page: open, test } = Browser.suite()
  const SECRET = "a-key-of-the-test"
  let cluster: Awaited<ReturnType<typeof Cluster.make>>
  let node: Cluster.Member

  beforeAll(async () => {
    if (!Browser.isThere) return
    cluster = await Cluster.make({ size: 1, environment: { QUORATE_API_KEY: SECRET } })
    node = await started(cluster)
    await post(node, "/memories", { title: "Behind the key", content: "c" }, { "x-api-key": SECRET })
  }, 60_000)
  afterAll(() => cluster?.close())

  const unlock = async (page: Page, key: string) => {
    await page.getByRole("dialog", { name: "Key of this node" }).getByLabel("API key").fill(key)
    await page.keyboard.press("Enter")
  }

  test("ask for a key, and for another one when that opens nothing", async () => {
    const page = await open(`${node.url}/console#/memories`, { refused: [401] })
    await unlock(page, "another")
    await page.getByRole("alert").getByText("opens nothing here").waitFor()
    await unlock(page, SECRET)
    await page.getByRole("link", { name: "Behind the key" }).waitFor()
  })

  test("show nothing to who gives none", async () => {
    const page = await open(`${node.url}/console#/memories`, { refused: [401] })
    const dialog = page.getByRole("dialog", { name: "Key of this node" })
    await dialog.waitFor()
    await page.keyboard.press("Escape")
    await page.getByRole("alert").getByText("asks for a key").waitFor()
    assert.notInclude(await page.locator("body").innerText(), "Behind")
  })

  test("say what a key does not open", async () => {
    const folder = mkdtempSync(join(tmpdir(), "quorate-browser-"))
    const file = join(folder, "keys.json")
    const added = execFileSync(process.execPath, [
      daemon,
      "keys",
      "add",
      "reader",
      "--scopes",
      "read",
      "--api-keys-file",
      file,
      "--json"
    ])
    const { key } = Object(JSON.parse(String(added)))
    const limited = await Cluster.make({ size: 1, environment: { QUORATE_API_KEYS_FILE: file } })
    try {
      const { url } = await started(limited)
      const page = await open(`${url}/console#/mesh`, { refused: [401, 403] })
      await unlock(page, key)
      await page.getByText("This node has no peers.").waitFor()
      await page.getByRole("link", { name: "Write", exact: true }).click()
      await page.getByLabel("Title").fill("t")
      await page.getByLabel("Content").fill("c")
      await page.getByRole("button", { name: "Store" }).click()
      await page.getByRole("alert").getByText(/^Not allowed: .*write/).waitFor()
    } finally {
      await limited.close()
      rmSync(folder, { recursive: true })
    }
  })

  test("keep the key in their tab alone, and send it in a header", async () => {
    const page = await open(`${node.url}/console#/memories`, { refused: [401] })
    const sent: Array<{ readonly url: string; readonly key: string | undefined }> = []
    page.on("request", (request) => sent.push({ url: request.url(), key: request.headers()["x-api-key"] }))
    await unlock(page, SECRET)
    await page.getByRole("link", { name: "Behind the key" }).click()
    await page.getByRole("heading", { level: 1, name: "Memory" }).waitFor()
    await page.reload()
    await page.getByRole("heading", { level: 2, name: "Behind the key" }).waitFor()

    assert.notInclude(page.url(), SECRET)
    for (const { url } of sent) assert.notInclude(url, SECRET)
    assert.include(sent.map(({ key }) => key), SECRET)
    for (const { key, url } of sent) {
      if (!url.includes("/api/v1/") && !url.endsWith("/metrics")) assert.isUndefined(key, url)
    }
    assert.deepStrictEqual(await page.context().cookies(), [])
    assert.strictEqual(await page.evaluate<string>("JSON.stringify(localStorage)"), "{}")
    assert.include(await page.evaluate<string>("JSON.stringify(sessionStorage)"), SECRET)
    const html = await page.content()
    assert.notInclude(html, SECRET)

    const other = await page.context().newPage()
    await other.goto(`${node.url}/console#/memories`)
    await other.getByRole("dialog", { name: "Key of this node" }).waitFor()
  })
})
