// The app of several people: with PostgreSQL, and sign-in by OpenID Connect.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { client, secret, startIssuer } from './issuer'
import { Kalla, looksRight } from './kalla'
import { freePort, startPostgres, type Postgres } from './services'

const admin = { email: 'maria@example.com', password: 'four unrelated words here' }

let postgres: Postgres
let kalla: Kalla
let issuer: number
beforeAll(async () => {
  postgres = await startPostgres()
  issuer = await freePort()
  kalla = await Kalla.serve(await freePort(), {
    DATABASE_URL: postgres.url,
    WORKER_URL: `http://127.0.0.1:${await freePort()}`, // nothing runs there, and nothing has to
    KALLA_WORKER_TOKEN: 'a-token-of-both-that-is-long-enough',
    KALLA_ADMIN_EMAIL: admin.email,
    KALLA_ADMIN_PASSWORD: admin.password,
    KALLA_OIDC_ISSUER: `http://127.0.0.1:${issuer}`,
    KALLA_OIDC_CLIENT_ID: client,
    KALLA_OIDC_CLIENT_SECRET: secret,
    KALLA_OIDC_NAME: 'Example',
    KALLA_OIDC_DOMAINS: 'example.com',
  })
})
afterAll(async () => {
  await kalla.stop()
  await postgres.stop()
})

test('a provider that does not answer leaves the password', async () => {
  const { page, context } = await kalla.visit('/sign-in', { nobody: true, width: 390 })
  await page.getByRole('link', { name: 'Sign in with Example' }).click()
  await page.getByText('The provider does not answer. Try again in a moment.').waitFor()
  await looksRight(page, 'sign-in-unanswered-phone')
  await page.getByLabel('E-mail address').fill(admin.email)
  await page.getByLabel('Password').fill(admin.password)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await page.getByRole('heading', { level: 1, name: 'Home' }).waitFor()
  await context.close()
})

test('one signs in with the provider, comes to where one wanted, and out again', async () => {
  const provider = await startIssuer(issuer, { email: 'jo@example.com', name: 'Jo Example' })
  const { page, context, errors } = await kalla.visit('/settings/account', { nobody: true })
  await page.getByText('or with a password').waitFor()
  expect(await page.getByText('kalla up').count()).toBe(0) // nothing has printed a link
  await looksRight(page, 'sign-in-oidc')
  // It was away a moment ago, and is not asked again at once.
  await expect
    .poll(
      async () => {
        await page.getByRole('link', { name: 'Sign in with Example' }).click()
        await page.waitForLoadState()
        return new URL(page.url()).pathname
      },
      { timeout: 30_000, interval: 1000 },
    )
    .toBe('/settings/account')
  await page.getByText('jo@example.com').first().waitFor()
  await page.getByText('Chrome on Linux').first().waitFor() // the session's browser, by its name
  await page.goto(`${kalla.url}/settings/users`)
  await page.getByText('This takes the role admin, and yours is viewer.').waitFor()
  await page.getByRole('button', { name: 'Account of Jo Example' }).click()
  await page.getByRole('menuitem', { name: 'Sign out' }).click()
  await page.getByRole('link', { name: 'Sign in with Example' }).waitFor()
  expect(errors.filter((text) => !text.includes('401'))).toEqual([])
  await context.close()
  await provider.stop()
})
