import { percent } from '@/lib/format'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Kalla, looksRight } from './kalla'

const password = 'four unrelated words here'
const viewer = 'vera@example.com'
const admin = 'maria@example.com'

let kalla: Kalla
beforeAll(async () => {
  kalla = await Kalla.start()
})
afterAll(() => kalla.stop())

interface Run {
  run_id: string
  status: string
  match_rate?: string
  unmatched_left_count: number
}

const demoRun = () =>
  expect.poll(async () => (await kalla.api<Run[]>('/api/runs'))[0]?.status, { timeout: 30_000 }).toBe('completed')

test('from the link of the first start to the result of the demo', async () => {
  await demoRun()
  const [run] = await kalla.api<Run[]>('/api/runs')
  const { page, context, errors } = await kalla.visit('/')
  const recent = page.getByRole('table', { name: 'Recent runs' })
  await recent.getByText(percent(run?.match_rate ?? '')).waitFor()
  // A number is a link to its records.
  const open = page.getByRole('link', { name: /invoices$/ })
  expect(await open.textContent()).toBe(`${(run?.unmatched_left_count ?? 0).toLocaleString('en')} invoices`)
  await recent.getByRole('link', { name: 'Invoices to payments' }).click()
  await page.getByRole('heading', { level: 1, name: 'Invoices to payments' }).waitFor()
  await page
    .getByText(percent(run?.match_rate ?? ''))
    .first()
    .waitFor()
  expect(new URL(page.url()).pathname).toBe(`/runs/${run?.run_id ?? ''}`)
  expect(errors).toEqual([])
  await context.close()
})

test('a link signs in once', async () => {
  const link = new URL('/api/auth/link?token=used', kalla.url)
  const { page, context } = await kalla.visit(link.pathname + link.search, { nobody: true })
  await page.getByText('The link has been used').waitFor()
  await context.close()
})

describe('accounts and roles', () => {
  test('an administrator adds users', async () => {
    const { page, context, errors } = await kalla.visit('/settings/users')
    for (const [email, role] of [
      [viewer, 'Viewer'],
      [admin, 'Administrator'],
    ] as const) {
      await page.getByRole('button', { name: 'Add a user' }).click()
      const dialog = page.getByRole('dialog')
      await dialog.getByLabel('E-mail address').fill(email)
      await dialog.getByRole('radio', { name: role }).click()
      await dialog.getByLabel('Password').fill('short')
      await dialog.getByRole('button', { name: 'Add' }).click()
      await dialog.getByText('The password is shorter').waitFor()
      await dialog.getByLabel('Password').fill(password)
      await dialog.getByRole('button', { name: 'Add' }).click()
      await page.getByRole('table', { name: 'Users' }).getByText(email).waitFor()
    }
    expect(errors.filter((text) => !text.includes('422'))).toEqual([])
    await context.close()
  })

  test('a viewer signs in, comes to where they wanted, and is offered nothing that they may not do', async () => {
    const { page, context, errors } = await kalla.visit('/runs?state=completed', { nobody: true })
    await page.getByLabel('E-mail address').fill(viewer)
    await page.getByLabel('Password').fill('not the password')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('alert').getByText('do not belong together').waitFor()
    await page.getByLabel('Password').fill(password)
    await page.getByRole('button', { name: 'Sign in' }).click()
    const runs = page.getByRole('table', { name: 'Runs' })
    await runs.getByRole('link', { name: 'Invoices to payments' }).waitFor()
    expect(new URL(page.url()).search).toBe('?state=completed')
    expect(await page.getByText('New reconciliation').count()).toBe(0)
    expect(await runs.getByRole('button').count()).toBe(0)
    await page.goto(`${kalla.url}/settings/users`)
    await page.getByText('This takes the role admin, and yours is viewer.').waitFor()
    for (const path of ['/new', '/sources/new', '/recipes/new']) {
      await page.goto(kalla.url + path)
      await page.getByRole('heading', { name: 'You may not do this' }).waitFor()
    }
    expect(errors.filter((text) => !text.includes('401'))).toEqual([])
    await context.close()
  })

  test('an ended session is begun again over the page, which keeps what was written', async () => {
    const { page, context } = await kalla.visit('/sign-in', { nobody: true })
    await page.getByLabel('E-mail address').fill(admin)
    await page.getByLabel('Password').fill(password)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('heading', { level: 1, name: 'Home' }).waitFor()
    await page.getByRole('link', { name: 'Settings' }).click()
    await page.getByRole('link', { name: 'API tokens' }).click()
    await page.getByRole('button', { name: 'New token' }).click()
    await page.getByLabel('What it is for').fill('Nightly run')
    await context.request.delete(`${kalla.url}/api/auth/sessions`, { headers: { 'Sec-Fetch-Site': 'same-origin' } })
    await page.getByRole('button', { name: 'Make the token' }).click()
    const again = page.getByRole('dialog', { name: 'Your session has ended' })
    await again.getByLabel('Password').fill(password)
    await again.getByRole('button', { name: 'Sign in' }).click()
    await again.waitFor({ state: 'detached' })
    expect(await page.getByLabel('What it is for').inputValue()).toBe('Nightly run')
    await page.getByRole('button', { name: 'Make the token' }).click()
    expect(await page.getByLabel('Token', { exact: true }).inputValue()).toMatch(/^kalla_/)
    await page.getByRole('button', { name: 'Done' }).click()
    await page.getByRole('button', { name: 'Revoke Nightly run' }).click()
    await page.getByRole('button', { name: 'Revoke', exact: true }).click()
    await page.getByText('No tokens').waitFor()
    await context.close()
  })

  test('the audit log is proved whole', async () => {
    const { page, context, errors } = await kalla.visit('/settings/audit')
    await page.getByRole('table', { name: 'Audit log' }).getByText('Revoked an API token').waitFor()
    await page.getByRole('button', { name: 'Check the log' }).click()
    await page.getByText('The log is whole').waitFor()
    await page.getByRole('button', { name: 'Revoked an API token' }).click()
    await page.getByRole('dialog').getByText('Hash').waitFor()
    expect(errors).toEqual([])
    await context.close()
  })
})

test('a run is started again, and followed to its end in the list', async () => {
  const { page, context, errors } = await kalla.visit('/runs')
  await page.getByRole('button', { name: 'Run Invoices to payments again' }).first().click()
  await page.waitForURL(/\/runs\/[^/]+$/)
  await page.getByRole('link', { name: 'Runs', exact: true }).first().click()
  await expect
    .poll(() => page.getByRole('table', { name: 'Runs' }).getByText('Completed').count(), { timeout: 30_000 })
    .toBe(4) // two runs, each with its state in a column and, for phones, below its name
  expect(errors).toEqual([])
  await context.close()
})

test('the connection is lost and comes back, and the page with it', async () => {
  const { page, context } = await kalla.visit('/settings/engine')
  await page.getByText('duckdb').waitFor()
  await kalla.kill()
  await page.getByText('No connection to Kalla').waitFor()
  await page.getByText('duckdb').waitFor()
  await kalla.up()
  await page.getByText('No connection to Kalla').waitFor({ state: 'detached' })
  await page.getByText('duckdb').waitFor()
  await context.close()
})

describe.each([
  { width: 1280, dark: false },
  { width: 1280, dark: true },
  { width: 390, dark: false },
  { width: 390, dark: true },
])('$width px, dark: $dark', (look) => {
  const pages = {
    home: '/',
    runs: '/runs',
    account: '/settings/account',
    tokens: '/settings/tokens',
    users: '/settings/users',
    engine: '/settings/engine',
    audit: '/settings/audit',
    about: '/settings/about',
    nowhere: '/nowhere',
  }
  test.each(Object.entries(pages))('%s looks right', async (name, path) => {
    const { page, context, errors } = await kalla.visit(path, look)
    await page.getByRole('heading', { level: 1 }).waitFor()
    await expect.poll(() => page.locator('[role=status][aria-label^=Loading],[aria-busy=true]').count()).toBe(0)
    await looksRight(page, `${name}-${look.width}-${look.dark ? 'dark' : 'light'}`)
    expect(errors).toEqual([])
    await context.close()
  })

  test.each(['/sign-in?error=oidc_domain', '/setup'])('%s looks right', async (path) => {
    const { page, context, errors } = await kalla.visit(path, { ...look, nobody: true })
    await page.getByRole('heading', { level: 1 }).waitFor()
    await looksRight(page, `${path.slice(1, 6)}-${look.width}-${look.dark ? 'dark' : 'light'}`)
    expect(errors).toEqual([])
    await context.close()
  })
})
