import { afterAll, assert, beforeAll, describe } from "@effect/vitest"
import type { Page } from "playwright-core"
import * as api from "../mesh/api.js"
import * as Cluster from "../mesh/Cluster.js"
import * as Proxy from "../mesh/Proxy.js"
import * as Browser from "./browser.js"

/*
 * The console in a real browser, on a mesh of three real nodes: each of its actions, and what the nodes hold after it. The door
 * of the third one refuses what has this in it.
 */
const REFUSED = "not of the schema"

/** What the view of pending actions would need to see something without the stream. */
const SOONER_MILLIS = 12_000

describe("the console", () => {
  const { page: open, test } = Browser.suite()
  let cluster: Awaited<ReturnType<typeof Cluster.make>>
  let door: Proxy.Proxy
  let isOpen = false

  beforeAll(async () => {
    if (!Browser.isThere) return
    cluster = await Cluster.make({
      size: 3,
      flags: ["--quorum-writes", "2"],
      peers: ([first = "", second = ""], index) =>
        index === 0 ? [second, door.url] : index === 1 ? [first, door.url] : [first, second]
    })
    door = await Proxy.make(
      () => url(2),
      (path, body) => !isOpen && path.endsWith("/sync/push") && body.includes(REFUSED) ? 422 : undefined
    )
    await Promise.all(cluster.members.map((_, index) => start(index)))
    await Cluster.inTouch(cluster.members)
  }, 90_000)
  afterAll(async () => {
    if (!Browser.isThere) return
    await cluster.close()
    await door.close()
  })

  const member = (index: number) => {
    const found = cluster.members[index]
    assert.isDefined(found)
    return found
  }
  const url = (index: number) => member(index).url
  /** The third one must not fetch by itself what its door refuses. */
  const start = (index: number) => member(index).start({ flags: ["--catchup-interval-secs", index === 2 ? "0" : "1"] })
  /** The first one, whose console it is: the third one, which fetches nothing by itself, may learn of others later. */
  const reachesAll = () =>
    Cluster.until(
      "the first node reaches both others",
      async () => JSON.stringify((await Cluster.call(url(0), "GET", "/health/ready")).body).includes("2 of 2 answer"),
      30_000
    )
  const everywhere = (what: string, probe: (at: string) => Promise<boolean>) =>
    api.everywhere(cluster.members, what, probe)
  const contentOf = async (at: string, id: string) => (await api.memory(at, id))?.["content"]
  const idOf = (page: Page) => decodeURIComponent(new URL(page.url()).hash.replace("#/memory/", ""))
  const view = (name: string, ...refused: ReadonlyArray<number>) => open(`${url(0)}/console#/${name}`, { refused })
  const heading = (page: Page, name: string) => page.getByRole("heading", { level: 1, name, exact: true }).waitFor()

  test("at / tells whether the node works and how to connect to this very one", async () => {
    const page = await open(`${url(0)}/`)
    await page.getByText("It works.", { exact: true }).waitFor()
    await page.getByText("2 of 2 answer").waitFor()
    const commands = await page.locator("[data-command]").allInnerTexts()
    assert.include(commands, `npx quorate install claude-code --url ${url(0)}`)
    assert.include(commands, `npx quorate mcp --url ${url(0)}`)
    assert.strictEqual(await page.locator("[data-address]").innerText(), `${url(0)}/mcp`)
    await page.getByRole("link", { name: "Console", exact: true }).click()
    await heading(page, "Ask")
  })

  test("stores a memory, which is on all nodes then", async () => {
    const page = await view("write")
    await page.getByLabel("Title").fill("Where the heron stands")
    await page.getByLabel("Content").fill("In the reeds behind the mill.\nAt dawn.")
    await page.getByLabel("Namespace").fill("birds")
    await page.getByLabel("Tags").fill("heron\ntwo words")
    await page.getByRole("button", { name: "Store" }).click()
    await heading(page, "Memory")
    await page.getByRole("heading", { name: "Where the heron stands" }).waitFor()
    const id = idOf(page)
    await everywhere("the memory", async (at) =>
      api.has(await api.memory(at, id), {
        content: "In the reeds behind the mill.\nAt dawn.",
        namespace: "birds",
        tier: "long",
        source: "user"
      }))
    assert.deepStrictEqual((await api.memory(url(1), id))?.["tags"], ["heron", "two words"])
  })

  test("tells that a title is taken, and by which memory", async () => {
    const id = await api.create(url(0), { title: "A title of its own", namespace: "birds" })
    const page = await view("write", 409)
    await page.getByLabel("Title").fill("A title of its own")
    await page.getByLabel("Content").fill("other")
    await page.getByLabel("Namespace").fill("birds")
    await page.getByRole("button", { name: "Store" }).click()
    await page.getByRole("link", { name: "the memory with this title" }).click()
    await heading(page, "Memory")
    assert.strictEqual(idOf(page), id)
    // What was not sent is still there.
    await page.getByRole("link", { name: "Write", exact: true }).click()
    await heading(page, "Write")
    assert.strictEqual(await page.getByLabel("Content").inputValue(), "other")
  })

  test("asks, and shows why each memory came", async () => {
    await api.create(url(0), {
      title: "Where the kingfisher dives",
      content: "At the weir, below the bridge.",
      namespace: "asked"
    })
    const page = await view("ask")
    await page.getByLabel("What do you want to know?").fill("where does the kingfisher dive?")
    await page.getByLabel("Namespace").fill("asked")
    await page.keyboard.press("Enter")
    const first = page.getByRole("list", { name: "Results" }).getByRole("listitem").first()
    await first.getByRole("link", { name: "Where the kingfisher dives" }).waitFor()
    await first.getByText(/^Why it came: score \d\.\d{3}$/).click()
    const row = (name: string) => first.getByRole("row", { name: new RegExp(`^${name}`) }).getByRole("cell")
    const { memories: [told] } = Object(
      await api.ask(url(0), "POST /recall", {
        body: { context: "where does the kingfisher dive?", namespace: "asked", explain: true }
      })
    )
    const { keyword, semantic, worth } = told.explain
    assert.match(await row("Words").innerText(), new RegExp(`^${keyword.toFixed(3)}`))
    assert.match(await row("Meaning").innerText(), new RegExp(`^${semantic.toFixed(3)}`))
    assert.strictEqual(await row("Priority").innerText(), `× ${worth.toFixed(3)}`)
    // The address says what is shown: it is shown again when one comes back.
    await first.getByRole("link", { name: "Where the kingfisher dives" }).click()
    await heading(page, "Memory")
    await page.goBack()
    await first.getByRole("link", { name: "Where the kingfisher dives" }).waitFor()
    await page.getByLabel("By the words alone").check()
    await page.getByRole("button", { name: "Ask", exact: true }).click()
    await page.getByText(/^It has (?:all|some of) the words\.$/).first().waitFor()
  })

  test("pages through memories by namespace and tag", async () => {
    for (let each = 0; each < 27; each++) {
      await api.create(url(0), { title: `Page ${each}`, namespace: "pages", tags: each === 26 ? ["last"] : [] })
    }
    const page = await view("memories?namespace=pages")
    const items = page.getByRole("list", { name: "Memories" }).getByRole("heading")
    await page.getByRole("link", { name: "Next page" }).waitFor()
    assert.strictEqual(await items.count(), 25)
    await page.getByRole("link", { name: "Next page" }).click()
    await page.getByRole("link", { name: "Previous page" }).waitFor()
    assert.strictEqual(await items.count(), 2)
    await page.getByLabel("Tag").fill("last")
    await page.getByRole("button", { name: "Show" }).click()
    await page.getByRole("link", { name: "Page 26" }).waitFor()
    assert.strictEqual(await items.count(), 1)
  })

  test("changes nothing that somebody else changed meanwhile: both are shown, and one decides", async () => {
    const id = await api.create(url(0), { title: "Edited", content: "first", namespace: "edits" })
    const page = await view(`edit/${id}`, 412)
    await page.getByLabel("Content").fill("mine")
    await api.ask(url(0), `PUT /memories/${id}`, { body: { content: "theirs" } })
    await page.getByRole("button", { name: "Save" }).click()
    const met = page.getByRole("alert", { name: "Changed meanwhile" })
    await met.getByRole("region", { name: "Yours" }).getByText("mine").waitFor()
    await met.getByRole("region", { name: "Theirs" }).getByText("theirs", { exact: true }).waitFor()
    assert.strictEqual(await contentOf(url(0), id), "theirs", "nothing was written")

    await met.getByRole("button", { name: "Take theirs" }).click()
    assert.strictEqual(await page.getByLabel("Content").inputValue(), "theirs")
    await page.getByLabel("Content").fill("mine again")
    await api.ask(url(0), `PUT /memories/${id}`, { body: { content: "theirs again", tags: ["new"] } })
    await page.getByRole("button", { name: "Save" }).click()
    await met.getByRole("button", { name: "Go on with mine" }).click()
    await api.ask(url(0), `PUT /memories/${id}`, { body: { content: "a third time" } })
    await page.getByRole("button", { name: "Save" }).click()
    await met.getByRole("region", { name: "Theirs" }).getByText("a third time").waitFor()
    assert.strictEqual(await contentOf(url(0), id), "a third time", "what was not shown is not written over")
    await met.getByRole("button", { name: "Go on with mine" }).click()
    await page.getByRole("button", { name: "Save" }).click()
    await heading(page, "Memory")
    await everywhere("my content", async (at) => await contentOf(at, id) === "mine again")
  })

  test("sends the fields that were changed, and no other", async () => {
    const id = await api.create(url(0), {
      title: "Half",
      content: "a",
      namespace: "edits",
      tags: ["x, y"],
      tier: "short"
    })
    const before = await api.memory(url(0), id)
    const page = await view(`edit/${id}`)
    await page.getByLabel("Title").fill("Whole")
    const sent = page.waitForRequest((request) => request.method() === "PUT")
    await page.getByRole("button", { name: "Save" }).click()
    assert.deepStrictEqual((await sent).postDataJSON(), { title: "Whole" })
    await page.getByRole("heading", { name: "Whole" }).waitFor()
    const after = await api.memory(url(0), id)
    assert.deepStrictEqual({ ...after, title: "Half", updated_at: before?.["updated_at"] }, before)
  })

  test("keeps one for good, and deletes one when that is confirmed", async () => {
    const id = await api.create(url(0), { title: "Short-lived", namespace: "kept", tier: "short" })
    const page = await view(`memory/${id}`)
    await page.getByRole("button", { name: "Keep for good" }).click()
    await everywhere("it is long", async (at) => (await api.memory(at, id))?.["tier"] === "long")
    await page.getByRole("button", { name: "Keep for good" }).waitFor({ state: "detached" })
    const sure = page.getByRole("dialog", { name: "Delete it everywhere?" })
    await page.getByRole("button", { name: "Delete" }).click()
    await sure.getByRole("button", { name: "Cancel" }).click()
    assert.isDefined(await api.memory(url(0), id))
    await page.getByRole("button", { name: "Delete" }).click()
    await sure.getByRole("button", { name: "Delete" }).click()
    await heading(page, "Memories")
    await everywhere("it is gone", async (at) => await api.memory(at, id) === undefined)
  })

  test("shows both sides of a conflict, and ends it as somebody decides", async () => {
    for (const name of ["one", "two"]) {
      const make = (content: string, updatedAt: string) => ({
        id: `${content}-${name}`,
        title: `Conflict ${name}`,
        content: `${content} of ${name}`,
        namespace: "met",
        tier: "long",
        tags: [],
        priority: 5,
        confidence: 1,
        source: "import",
        access_count: 0,
        created_at: "2026-01-01T00:00:00.000000000+00:00",
        updated_at: updatedAt
      })
      const memories = [
        make("earlier", "2026-01-02T00:00:00.000000000+00:00"),
        make("later", "2026-01-03T00:00:00.000000000+00:00")
      ]
      await api.ask(url(0), "POST /import", { body: { memories } })
    }
    const page = await view("conflicts")
    const card = (name: string) => page.getByRole("listitem", { name: `Conflict: Conflict ${name}` })
    await card("one").getByRole("region", { name: "Counts now" }).getByText("later of one").waitFor()
    await card("one").getByRole("region", { name: "Lost" }).getByText("earlier of one").waitFor()
    await card("one").getByText("Content (differs)").first().waitFor()
    const decide = async (name: string, choice: string) => {
      await card(name).getByRole("button", { name: choice }).click()
      await page.getByRole("dialog").getByRole("button", { name: "Decide" }).click()
      await card(name).getByText("Decided on all nodes.").waitFor()
    }
    await decide("one", "Keep what counts now")
    await decide("two", "Take what lost")
    const contents = async (at: string) => (await api.listed(at, "met")).map(({ content }) => content).sort()
    await everywhere(
      "what was decided",
      async (at) =>
        JSON.stringify(await contents(at)) === JSON.stringify(["earlier of two", "later of one"]) &&
        api.rows(await api.ask(at, "GET /conflicts?namespace=met"), "conflicts").length === 0
    )
  })

  test("hears of what waits for approval, approves and rejects it", async () => {
    await api.ask(url(0), "POST /namespaces", {
      body: { namespace: "asks", governance: { write: "approve" } },
      status: 201
    })
    await everywhere(
      "the rule",
      async (at) => Object(await api.ask(at, "GET /namespaces?namespace=asks")).governance?.write === "approve"
    )
    const page = await view("pending")
    await page.getByText("There is none.").waitFor()
    // Of another node: the stream tells of it.
    const wait = (title: string) =>
      api.ask(url(1), "POST /memories", {
        body: { title, content: "c", namespace: "asks" },
        agent: "ai:one",
        status: 202
      })
    await wait("to be stored")
    const card = (title: string) => page.getByRole("listitem", { name: `Store a memory: ${title}` })
    await card("to be stored").waitFor({ timeout: SOONER_MILLIS })
    await wait("never to be")
    await card("never to be").waitFor({ timeout: SOONER_MILLIS })
    await card("to be stored").getByText("ai:one").first().waitFor()
    await card("to be stored").getByRole("button", { name: "Approve" }).focus()
    await page.keyboard.press("Enter")
    await card("to be stored").getByText("Approved.").waitFor()
    assert.isTrue(
      await page.evaluate("document.activeElement.innerText.includes('Approved.')"),
      "whose button is gone reads on with what came of it"
    )
    await card("never to be").getByRole("button", { name: "Reject" }).click()
    await card("never to be").getByText("Rejected.").waitFor()
    await everywhere("what was approved", async (at) => {
      const titles = await api.titles(at, "asks")
      return titles.includes("to be stored") && !titles.includes("never to be")
    })
    await page.getByLabel("Show").selectOption("rejected")
    await card("never to be").waitFor()
    assert.strictEqual(await card("never to be").getByRole("button").count(), 0)
  })

  test("writes as whom its user says to be, and leads to what waits", async () => {
    const page = await view("write")
    await page.getByRole("button", { name: "Key", exact: true }).click()
    await page.getByLabel("Write as").fill("human:anna")
    await page.getByRole("button", { name: "Use it" }).click()
    await page.getByLabel("Title").fill("By Anna")
    await page.getByLabel("Content").fill("c")
    await page.getByLabel("Namespace").fill("asks")
    await page.getByRole("button", { name: "Store" }).click()
    await heading(page, "Pending")
    await page.getByRole("listitem", { name: "Store a memory: By Anna" }).getByText("human:anna").waitFor()
  })

  test("shows what a peer refuses, tries it again, and gives it up", async () => {
    const first = await api.create(url(0), { title: "Refused once", content: REFUSED, namespace: "dead" })
    await api.create(url(0), { title: "Refused for ever", content: `${REFUSED}, too`, namespace: "dead" })
    await Cluster.until(
      "the dead letters",
      async () => api.rows(await api.ask(url(0), "GET /federation/dlq"), "dead_letters").length === 2
    )
    const page = await view("dead-letters")
    const letters = page.getByRole("list", { name: "Dead letters" }).getByRole("listitem", { name: /^store for / })
    const one = letters.filter({ hasText: first })
    await one.getByText(/422/).first().waitFor()
    await one.getByText("The operation").click()
    await one.getByText("\"title\": \"Refused once\"").waitFor()
    await one.getByRole("button", { name: "Try again now" }).click()
    await one.getByText("refuses it still").waitFor()
    const other = letters.filter({ hasNotText: first })
    await other.getByRole("button", { name: "Give up" }).click()
    await page.getByRole("dialog").getByRole("button", { name: "Give up" }).click()
    await other.getByText("Given up for this peer.").waitFor()
    isOpen = true
    await one.getByRole("button", { name: "Try again now" }).click()
    await one.getByText("Delivered").waitFor()
    isOpen = false
    await Cluster.until("it is there", async () => await api.memory(url(2), first) !== undefined)
    const left = api.rows(await api.ask(url(0), "GET /federation/dlq"), "dead_letters")
    assert.deepStrictEqual(left.map(({ discarded }) => discarded), [true])
  })

  test("tells who holds a write that missed its quorum, and waits for the same one when it is sent again", async () => {
    await Promise.all([member(1).stop(), member(2).stop()])
    const page = await view("write", 503)
    await page.getByLabel("Title").fill("Once and not twice")
    await page.getByLabel("Content").fill("c")
    await page.getByLabel("Namespace").fill("quorum")
    await page.getByRole("button", { name: "Store" }).click()
    await page.getByRole("alert").getByText("but 1 of the 2 nodes of the quorum hold it yet").waitFor()

    // The mesh as it is, live.
    const watched = await view("mesh")
    await watched.getByText("0 of 2 answer").waitFor()
    await watched.getByRole("cell", { name: "open: it is down" }).nth(1).waitFor()
    const lag = watched.locator("td[data-name=\"Lag, operations\"]")
    assert.isAbove(Number(await lag.first().innerText()), 0)

    await Promise.all([start(1), start(2)])
    await reachesAll()
    await watched.getByText("2 of 2 answer").waitFor()
    await watched.getByRole("cell", { name: "closed" }).nth(1).waitFor()
    await page.getByRole("button", { name: "Store" }).click()
    await heading(page, "Memory")
    await everywhere("one memory", async (at) => (await api.titles(at, "quorum")).length === 1)
    await watched.locator("td[data-name=\"Lag, operations\"]", { hasText: /^0$/ }).first().waitFor()
  })

  test("shows what two sides of a partition made of one memory, and takes what lost", async () => {
    const id = await api.create(url(0), { title: "Between two sides", content: "before", namespace: "parted" })
    await everywhere("the memory", async (at) => await contentOf(at, id) === "before")
    await Promise.all([member(1).stop(), member(2).stop()])
    await api.ask(url(0), `PUT /memories/${id}`, { body: { content: "of the one side" }, status: 503 })
    await member(0).stop()
    await Promise.all([start(1), start(2)])
    await Cluster.until("the other side writes", async () => {
      const path = `/api/v1/memories/${id}`
      return (await Cluster.call(url(1), "PUT", path, { body: { content: "of the other side" } })).status === 200
    })
    await start(0)
    await reachesAll()
    await everywhere(
      "the conflict",
      async (at) => api.rows(await api.ask(at, "GET /conflicts?namespace=parted"), "conflicts").length === 1
    )

    const page = await view("conflicts")
    const card = page.getByRole("listitem", { name: "Conflict: Between two sides" })
    await card.getByText("One memory was changed in two places.").waitFor()
    await card.getByRole("region", { name: "Counts now" }).getByText("of the other side").waitFor()
    await card.getByRole("region", { name: "Lost" }).getByText("of the one side").waitFor()
    await card.getByRole("button", { name: "Take what lost" }).click()
    await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click()
    assert.strictEqual(await contentOf(url(0), id), "of the other side", "nothing is decided that was not confirmed")
    await card.getByRole("button", { name: "Take what lost" }).click()
    await page.getByRole("dialog").getByRole("button", { name: "Decide" }).click()
    await card.getByText("Decided on all nodes.").waitFor()
    await everywhere("what was taken", async (at) => await contentOf(at, id) === "of the one side")
  })
})
