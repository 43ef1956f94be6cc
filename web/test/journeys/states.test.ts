// What pages are to those who may not change anything, and while the program is away.
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { Kalla, looksRight, type Visit } from './kalla'

const viewer = { email: 'vera@example.com', name: 'Vera', role: 'viewer', password: 'four unrelated words here' }

let kalla: Kalla
let run: string
beforeAll(async () => {
  kalla = await Kalla.start()
  run = await vi.waitFor(
    async () => {
      const [demo] = await kalla.api<{ run_id: string; status: string }[]>('/api/runs')
      if (demo?.status !== 'completed') throw new Error(`the demo's run is ${demo?.status ?? 'not there'}`)
      return demo.run_id
    },
    { timeout: 60_000, interval: 200 },
  )
})
afterAll(() => kalla.stop())

const pages = {
  run: () => `/runs/${run}`,
  source: () => '/sources/invoices',
  recipe: () => '/recipes/invoices-payments',
}

test('a viewer sees runs, sources and recipes, and nothing that they may not do', async () => {
  const admin = await kalla.visit('/')
  const headers = { Origin: kalla.url }
  const added = await admin.context.request.post(`${kalla.url}/api/users`, { data: viewer, headers })
  expect(added.ok()).toBe(true)
  await admin.context.close()

  const { page, context, errors } = await kalla.visit('/sign-in', { nobody: true })
  await page.getByLabel('E-mail address').fill(viewer.email)
  await page.getByLabel('Password').fill(viewer.password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('heading', { level: 1, name: 'Home' }).waitFor()
  const none = async (...names: (string | RegExp)[]) => {
    for (const name of names) {
      const found = page.getByRole('main').getByRole(typeof name === 'string' ? 'button' : 'tab', { name, exact: true })
      expect(await found.count(), String(name)).toBe(0)
    }
  }

  await page.goto(kalla.url + pages.run())
  await page.getByRole('button', { name: 'Export' }).waitFor() // reading is theirs
  await page.getByText('Nobody has decided about this run yet. Approvers and administrators may.').waitFor()
  await none('Run again', 'Approve', 'Reject')
  await looksRight(page, 'run-viewer')

  await page.goto(kalla.url + pages.source())
  await page.getByRole('region', { name: 'Sample of invoices' }).getByText('INV-000001').first().waitFor()
  await none('Test', 'Delete', /Settings/)

  await page.goto(kalla.url + pages.recipe())
  const editor = page.getByRole('textbox', { name: 'Recipe as YAML' })
  await page.getByText('Nothing is wrong with it').waitFor()
  await none('Run', 'Delete the recipe', 'Edit pass 1', 'Add a pass')
  await editor.focus()
  await page.keyboard.type('x')
  expect(await page.getByText('Not saved').count()).toBe(0)
  await looksRight(page, 'recipe-viewer')

  // What is gone to by its address is refused with the reason; the server refuses as well.
  for (const path of [`/api/runs/${run}/rerun`, '/api/sources/invoices/test']) {
    const refused = await context.request.post(kalla.url + path, { data: {}, headers })
    expect(refused.status(), path).toBe(403)
  }
  expect(errors).toEqual([])
  await context.close()
})

test('what is not there says so on its page, with the way back', async () => {
  const { page, context } = await kalla.visit('/runs/nothing')
  for (const [path, back] of [
    ['/runs/nothing', 'Runs'],
    ['/sources/nothing', 'Sources'],
    ['/recipes/nothing', 'Recipes'],
  ] as const) {
    await page.goto(kalla.url + path)
    await page
      .getByRole('alert')
      .getByText(/no (such )?(run|source|recipe)/i)
      .first()
      .waitFor()
    await page.getByRole('navigation', { name: 'Breadcrumb' }).getByRole('link', { name: back }).waitFor()
  }
  await looksRight(page, 'recipe-nothing')
  await context.close()
})

test('pages keep what they show while the program is away, say so, and go on once it is back', async () => {
  const open: [string, Visit][] = []
  for (const [name, path] of Object.entries(pages)) open.push([name, await kalla.visit(path())])
  const [[, onRun], [, onSource], [, onRecipe]] = open as [[string, Visit], [string, Visit], [string, Visit]]
  await onRun.page.getByText('Adds up').waitFor()
  await onSource.page.getByRole('region', { name: 'Sample of invoices' }).getByText('INV-000001').first().waitFor()
  await onRecipe.page.getByText('Nothing is wrong with it').waitFor()
  await kalla.kill()

  // Each asks for something, and is told that nobody answers.
  await onRun.page.getByRole('tab', { name: /Unmatched invoices/ }).click()
  await onSource.page.getByRole('tab', { name: 'Columns' }).click()
  const editor = onRecipe.page.getByRole('textbox', { name: 'Recipe as YAML' })
  await editor.focus()
  await onRecipe.page.keyboard.press('Control+End')
  await onRecipe.page.keyboard.type('# while it was away\n')
  for (const [name, { page }] of open) {
    await page.getByText('No connection to Kalla').first().waitFor()
    await looksRight(page, `${name}-away`)
    await page.getByRole('heading', { level: 1 }).waitFor()
  }

  await kalla.up()
  for (const [, { page }] of open)
    await expect.poll(() => page.getByText('No connection to Kalla').count(), { timeout: 30_000 }).toBe(0)
  await onRun.page.getByRole('grid', { name: 'Unmatched invoices' }).getByText('INV-').first().waitFor()
  await onSource.page.getByRole('region', { name: 'Profile of columns' }).waitFor()
  await onRecipe.page.getByText('Nothing is wrong with it').waitFor()
  expect(await editor.textContent()).toContain('# while it was away')
  for (const [, { context }] of open) await context.close()
})
