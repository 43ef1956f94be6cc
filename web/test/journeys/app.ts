import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../../..', import.meta.url))

/** The app as one has it who starts `kalla up`, and a browser. */
export interface App {
  /** Where it is, without a slash at the end. */
  url: string
  /** The data folder's parent: for files of a test. */
  dir: string
  browser: Browser
  /** A browser of somebody who is signed in. */
  visit: (look?: { width?: number; dark?: boolean }) => Promise<Visitor>
  /** Runs the program beside the app. */
  kalla: (...args: string[]) => Promise<string>
  close: () => Promise<void>
}

/** Somebody's browser; what goes wrong in it is collected. */
export interface Visitor {
  context: BrowserContext
  page: Page
  errors: string[]
}

// The program with the web app that was built last: KALLA_BIN, or one built here.
async function program(dir: string): Promise<string> {
  const given = process.env['KALLA_BIN']
  if (given) return given
  const path = join(dir, 'kalla')
  await run('go', ['build', '-o', path, './cmd/kalla'], { cwd: root })
  return path
}

/** Starts the app in a folder of its own; it is gone after close. */
export async function startApp(...args: string[]): Promise<App> {
  const dir = await mkdtemp(join(tmpdir(), 'kalla-journey-'))
  const bin = await program(dir)
  const app = spawn(bin, ['up', '--port', '0', '--data', join(dir, 'data'), '--grace', '1s', ...args], { cwd: dir })
  const link = await linkOf(app)
  const url = new URL(link).origin
  const browser = await chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
  // The link is good for once: its session is what every visitor gets.
  const first = await browser.newContext()
  await (await first.newPage()).goto(link)
  const { cookies } = await first.storageState()
  await first.close()
  return {
    url,
    dir,
    browser,
    visit: async ({ width = 1280, dark = false } = {}) => {
      const context = await browser.newContext({
        baseURL: url,
        viewport: { width, height: width < 600 ? 844 : 860 },
        colorScheme: dark ? 'dark' : 'light',
        hasTouch: width < 600,
        isMobile: width < 600,
        locale: 'en-GB',
        timezoneId: 'Europe/Berlin',
        reducedMotion: 'reduce',
        storageState: { cookies, origins: [] },
      })
      context.setDefaultTimeout(30_000)
      const page = await context.newPage()
      const errors: string[] = []
      page.on('pageerror', (error) => errors.push(error.message))
      page.on('console', (message) => {
        if (message.type() === 'error') errors.push(message.text())
      })
      return { context, page, errors }
    },
    kalla: async (...command) => (await run(bin, command, { cwd: dir })).stdout,
    close: async () => {
      await browser.close()
      const ended = new Promise((resolve) => app.once('exit', resolve))
      app.kill('SIGINT')
      await ended
      await rm(dir, { recursive: true, force: true })
    },
  }
}

function linkOf(app: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = ''
    const hear = (chunk: Buffer) => {
      said += chunk.toString()
      const link = /http:\/\/localhost:\d+\/api\/auth\/link\S+/.exec(said)?.[0]
      if (link) resolve(link)
    }
    app.stdout?.on('data', hear)
    app.stderr?.on('data', hear)
    app.once('exit', (code) => reject(new Error(`kalla up ended with ${String(code)}: ${said}`)))
  })
}

/** What the API answers somebody. */
export async function api<T>(visitor: Visitor, path: string, post?: unknown): Promise<T> {
  const { request } = visitor.context
  const { origin } = new URL(visitor.page.url())
  const response = await (post === undefined
    ? request.get(origin + path)
    : request.post(origin + path, { data: post, headers: { Origin: origin } }))
  if (!response.ok()) throw new Error(`${path}: ${response.status()} ${await response.text()}`)
  return (await response.json()) as T
}
