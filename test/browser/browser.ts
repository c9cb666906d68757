import { afterAll, afterEach, assert, beforeAll, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core"

/** What a Chromium is called where there is one. */
const NAMES = ["chromium", "chromium-browser", "google-chrome"]

const found = (): string | undefined => {
  const named = process.env["QUORATE_CHROMIUM"]
  if (named !== undefined && named !== "") return named
  for (const name of NAMES) {
    try {
      return execFileSync("sh", ["-c", `command -v ${name}`], { encoding: "utf8" }).trim()
    } catch {
      // Not this one.
    }
  }
  return undefined
}

const executable = found()

/** Whether there is a browser at all: without one nothing needs to be started for it. */
export const isThere = executable !== undefined

const TEST_MILLIS = 120_000
/** A machine that does much else at the same time is slow, not wrong. */
const STEP_MILLIS = 15_000

/** What a browser writes into its console itself, of an answer that a test means to come about. */
const ofStatus = (status: number) => `error: Failed to load resource: the server responded with a status of ${status} `

/**
 * Tests in one browser. Each ends in red when a page of it wrote an error into its console, failed, or asked anything of another
 * place than its own. Where there is no Chromium they are skipped, and counted.
 */
export const suite = () => {
  let browser: Browser | undefined
  let wrong: Array<string> = []
  const open: Array<{ readonly close: () => Promise<void> }> = []
  let skipped = 0

  beforeAll(async () => {
    if (executable === undefined) return
    browser = await chromium.launch({
      executablePath: executable,
      // What runs as root has no sandbox of its own.
      args: process.getuid?.() === 0 ? ["--no-sandbox"] : []
    })
  }, TEST_MILLIS)
  afterEach(async () => {
    const seen = wrong
    wrong = []
    await Promise.all(open.splice(0).map((each) => each.close()))
    assert.deepStrictEqual(seen, [])
  })
  afterAll(async () => {
    await browser?.close()
    if (skipped > 0) console.log(`${skipped} tests of the pages in a browser were skipped: no Chromium was found`)
  })

  const page = async (
    url: string,
    options: BrowserContextOptions & { readonly refused?: ReadonlyArray<number> } = {}
  ): Promise<Page> => {
    const { refused = [], ...given } = options
    if (browser === undefined) throw new Error("no browser")
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...given })
    open.push(context)
    context.setDefaultTimeout(STEP_MILLIS)
    const watch = (made: Page) => {
      made.on("console", (message) => {
        const text = `${message.type()}: ${message.text()}`
        if (
          ["error", "warning"].includes(message.type()) &&
          !refused.some((status) => text.startsWith(ofStatus(status)))
        ) {
          wrong.push(text)
        }
      })
      made.on("pageerror", (error) => wrong.push(String(error)))
      made.on("dialog", (dialog) => {
        wrong.push(`a page called ${dialog.type()}: ${dialog.message()}`)
        void dialog.dismiss()
      })
      made.on("request", (request) => {
        if (!request.url().startsWith(`${new URL(url).origin}/`)) wrong.push(`asked elsewhere: ${request.url()}`)
      })
    }
    context.on("page", watch)
    const made = await context.newPage()
    await made.goto(url)
    return made
  }

  const test = (name: string, body: () => Promise<void>) =>
    it(name, async (context) => {
      if (executable === undefined) {
        skipped++
        return context.skip("no Chromium was found")
      }
      await body()
    }, TEST_MILLIS)

  return { page, test }
}
