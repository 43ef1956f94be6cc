import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { Kalla, looksRight } from './kalla'

// A server that speaks as Anthropic's does and replays assistant-model.json: see internal/testenv/messages.
let model: ChildProcess
let dir: string
let kalla: Kalla

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kalla-model-'))
  const root = fileURLToPath(new URL('../../..', import.meta.url))
  const program = join(dir, 'messages')
  await promisify(execFile)('go', ['build', '-o', program, './internal/testenv/messages'], { cwd: root })
  const started = spawn(program, [fileURLToPath(new URL('assistant-model.json', import.meta.url))], { stdio: 'pipe' })
  model = started
  await new Promise<void>((resolve, reject) => {
    let said = ''
    started.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString()
      const found = [...said.matchAll(/^(ANTHROPIC_\w+)=(.+)\n/gm)]
      for (const [, name, value] of found) vi.stubEnv(name ?? '', value ?? '')
      if (found.length === 2) resolve()
    })
    started.on('exit', (code) => reject(new Error(`the model's server ended with ${code}`)))
    started.on('error', reject)
  })
  kalla = await Kalla.start()
  // The demo's sources come by themselves.
  await vi.waitFor(async () => expect(await kalla.api<unknown[]>('/api/sources')).toHaveLength(2), 30_000)
})
afterAll(async () => {
  await kalla.stop()
  model.kill()
  await rm(dir, { recursive: true, force: true })
})

async function say(page: Page, text: string) {
  await page.getByLabel('Message to the assistant').fill(text)
  await page.getByLabel('Message to the assistant').press('Enter')
}

test('an answer is written before the eyes, survives a reload and is the same in two windows', async () => {
  const { page, context, errors } = await kalla.visit('/assistant')
  await say(page, 'What is there?')
  await page.waitForURL(/\/assistant\/[^/]+$/)
  const log = page.getByRole('log')
  await log.getByText('two sources').waitFor()
  expect(await log.getByText('nothing is changed by it').count()).toBe(0) // it is being written
  await page.getByRole('button', { name: 'Stop' }).waitFor()
  const second = await kalla.visit(new URL(page.url()).pathname)
  await page.reload()
  for (const shown of [page, second.page]) {
    // Also what was written before the page was there.
    await shown.getByRole('log').getByText('There are two sources that fit together.').waitFor()
    await shown.getByRole('region', { name: 'Sample of invoices' }).waitFor()
    await shown.getByRole('region', { name: 'Sample of payments' }).waitFor()
    await shown.getByText('These are the records. Do all of them count?').waitFor()
    expect(await shown.getByText('nothing is changed by it').count()).toBe(1)
  }
  await log.getByText('2 looks at the data').click()
  await looksRight(page, 'assistant-model')

  // What it costs, and what it sees.
  await page.getByRole('button', { name: 'About this conversation' }).click()
  const details = page.getByRole('dialog', { name: 'About this conversation' })
  await details.getByText('claude').waitFor()
  await details.getByText('8,860').waitFor() // tokens of both answers
  const share = details.getByRole('switch', { name: 'Show it the values of invoices' })
  expect(await share.getAttribute('aria-checked')).toBe('false')
  await share.click()
  await details.getByRole('switch', { name: 'Show it the values of invoices', checked: true }).waitFor()
  await looksRight(page, 'assistant-model-details')
  await page.keyboard.press('Escape')
  const id = new URL(page.url()).pathname.split('/').at(-1) ?? ''
  const session = () => kalla.api<{ share_values: string[] }>(`/api/chat/sessions/${id}`)
  expect((await session()).share_values).toEqual(['invoices'])

  // A choice in one window is seen in the other.
  await page.getByRole('button', { name: 'All of these records' }).waitFor()
  expect([...errors, ...second.errors]).toEqual([])
  await context.close()
  await second.context.close()
})

test('a model that is overloaded is told of, and asked again', async () => {
  const { page, context, errors } = await kalla.visit('/assistant')
  await say(page, 'Are you there?')
  const log = page.getByRole('log')
  await log.getByText(/The model does not answer/).waitFor({ timeout: 30_000 })
  await looksRight(page, 'assistant-overloaded')
  await log.getByRole('button', { name: 'Answer again' }).click()
  await log.getByText('Here I am again.').waitFor()
  await log.getByText(/The model does not answer/).waitFor({ state: 'detached' })
  expect(await log.getByRole('article', { name: 'You' }).count()).toBe(1)
  expect(errors).toEqual([])
  await context.close()
})

test('an answer is stopped, and its question written anew', async () => {
  const { page, context, errors } = await kalla.visit('/assistant')
  await say(page, 'Think it over')
  const log = page.getByRole('log')
  await log.getByText('First I compare the names').waitFor()
  await page.getByRole('button', { name: 'Stop' }).click()
  await log.getByText('Stopped: this is not the whole answer.').waitFor()
  await looksRight(page, 'assistant-stopped')
  await log.getByRole('article', { name: 'You' }).hover()
  await log.getByRole('button', { name: 'Edit and send again' }).click()
  await log.getByLabel('Your message').fill('Think less')
  await log.getByLabel('Your message').press('Enter')
  await log.getByText('The names are the same.').waitFor()
  expect(await log.getByText('Think it over').count()).toBe(0)
  expect(errors).toEqual([])

  // It goes from the list when it is deleted, and the page with it.
  await page.getByRole('button', { name: /^Delete Think/ }).click()
  await page.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click()
  await page.getByRole('heading', { name: 'What can I ask?' }).waitFor()
  await page.getByRole('link', { name: /^Think/ }).waitFor({ state: 'detached' })
  await context.close()
})
