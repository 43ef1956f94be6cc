// The real program, with a data folder of its own, and a browser on it.
import AxeBuilder from '@axe-core/playwright'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core'
import { expect, vi } from 'vitest'

/** The program that is tried. */
export const program = process.env['KALLA'] ?? fileURLToPath(new URL('../../../bin/kalla', import.meta.url))

/** How a page is looked at; without, in a wide light window. */
export interface Look {
  width?: number
  dark?: boolean
}

/** A page and what went wrong on it. */
export interface Visit {
  page: Page
  context: BrowserContext
  /** Errors of the page's scripts and in the console, but for answers that a test provokes: see unexpected. */
  errors: string[]
}

function launch(): Promise<Browser> {
  if (!existsSync(program)) throw new Error(`${program} is not there: make web build, or name another with KALLA`)
  return chromium.launch({
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
}

const folder = () => mkdtemp(join(tmpdir(), 'kalla-journey-'))

/** The app on a data folder of its own. */
export class Kalla {
  readonly dir: string
  readonly browser: Browser
  url = ''
  #process: ChildProcess | undefined
  #state: Awaited<ReturnType<BrowserContext['storageState']>> | undefined
  #args: string[]

  private constructor(dir: string, browser: Browser, args: string[]) {
    this.dir = dir
    this.browser = browser
    this.#args = args
  }

  /** Starts `kalla up` and signs the local administrator in; `--no-demo` begins with nothing. */
  static async start(...args: string[]): Promise<Kalla> {
    const browser = await launch()
    const kalla = new Kalla(await folder(), browser, args)
    const link = await kalla.up()
    const context = await browser.newContext()
    const page = await context.newPage()
    await page.goto(link)
    await page.getByRole('heading', { level: 1, name: 'Home' }).waitFor()
    kalla.#state = await context.storageState()
    await context.close()
    return kalla
  }

  /** Starts `kalla serve` at a port of localhost, with settings; nobody is signed in. */
  static async serve(port: number, settings: Record<string, string>): Promise<Kalla> {
    const kalla = new Kalla(await folder(), await launch(), [])
    kalla.url = `http://localhost:${port}`
    const started = spawn(program, ['serve', '--port', String(port), '--data', kalla.dir], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, KALLA_PUBLIC_URL: kalla.url, ...settings },
    })
    kalla.#process = started
    let said = ''
    started.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
    await vi
      .waitFor(
        async () => {
          const ready = await fetch(`${kalla.url}/readyz`).catch(() => undefined)
          if (!ready?.ok) throw new Error(`kalla serve is not ready: ${said}`)
        },
        { timeout: 60_000, interval: 100 },
      )
      .catch(async (cause: unknown) => {
        await kalla.stop()
        throw cause
      })
    return kalla
  }

  /** Starts the program, on the port that it had; answers the link that signs in. */
  async up(): Promise<string> {
    const port = this.url ? new URL(this.url).port : '0'
    const started = spawn(program, ['up', '--port', port, '--data', this.dir, ...this.#args], { stdio: 'pipe' })
    this.#process = started
    let said = ''
    const link = await new Promise<string>((resolve, reject) => {
      const hear = (chunk: Buffer) => {
        said += chunk.toString()
        const found = /http:\S+\/api\/auth\/link\?token=\S+/.exec(said)
        if (found) resolve(found[0])
      }
      started.stdout.on('data', hear)
      started.stderr.on('data', hear)
      started.on('exit', (code) => reject(new Error(`kalla up ended with ${code}: ${said}`)))
      started.on('error', reject)
    })
    this.url = new URL(link).origin
    return link
  }

  /** Ends the program as a crash does; the data stays. */
  async kill(): Promise<void> {
    const started = this.#process
    if (!started || started.exitCode !== null || started.signalCode !== null) return
    const ended = once(started, 'exit')
    started.kill('SIGKILL')
    await ended
  }

  /** A new window on a path, of the local administrator, or of nobody. */
  async visit(path: string, { width = 1280, dark = false, nobody = false }: Look & { nobody?: boolean } = {}) {
    const phone = width < 600
    const context = await this.browser.newContext({
      viewport: { width, height: phone ? 844 : 860 },
      colorScheme: dark ? 'dark' : 'light',
      hasTouch: phone,
      isMobile: phone,
      locale: 'en-GB',
      timezoneId: 'Europe/Berlin',
      reducedMotion: 'reduce',
      acceptDownloads: true,
      ...(this.#state && !nobody && { storageState: this.#state }),
    })
    const page = await context.newPage()
    const errors: string[] = []
    page.on('pageerror', (error) => errors.push(error.message))
    page.on('console', (message) => {
      if (message.type() === 'error') errors.push(message.text())
    })
    await page.goto(this.url + path)
    return { page, context, errors } satisfies Visit
  }

  /** Asks the API as the local administrator: for answers to compare with what a page shows. */
  async api<T>(path: string): Promise<T> {
    const context = await this.browser.newContext({ ...(this.#state && { storageState: this.#state }) })
    try {
      const response = await context.request.get(this.url + path)
      if (!response.ok()) throw new Error(`GET ${path}: ${response.status()} ${await response.text()}`)
      return (await response.json()) as T
    } finally {
      await context.close()
    }
  }

  async stop(): Promise<void> {
    await this.browser.close()
    await this.kill()
    await rm(this.dir, { recursive: true, force: true })
  }
}

/** Nothing on the page that axe takes for serious, nothing wider than the window. The picture goes to KALLA_SCREENSHOTS. */
export async function looksRight(page: Page, name: string): Promise<void> {
  const shots = process.env['KALLA_SCREENSHOTS']
  if (shots) await page.screenshot({ path: join(shots, `${name}.png`) })
  const { violations } = await new AxeBuilder({ page }).analyze()
  const serious = violations
    .filter((v) => v.impact === 'serious' || v.impact === 'critical')
    .map((v) => `${v.id}: ${v.nodes.map((n) => `${n.target.join(' ')} ${n.failureSummary ?? ''}`).join('\n')}`)
  expect(serious, name).toEqual([])
  const fits = await page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth)
  expect(fits, `${name} is wider than the window`).toBe(true)
}
