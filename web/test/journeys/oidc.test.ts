// The app of several people: with PostgreSQL, and sign-in by OpenID Connect.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startIssuer, type Issuer } from './issuer'
import { Kalla, looksRight } from './kalla'
import { freePort, startPostgres, type Postgres } from './services'

let postgres: Postgres
let issuer: Issuer
let kalla: Kalla
beforeAll(async () => {
  ;[postgres, issuer] = await Promise.all([
    startPostgres(),
    startIssuer({ email: 'jo@example.com', name: 'Jo Example' }),
  ])
  kalla = await Kalla.serve(await freePort(), {
    DATABASE_URL: postgres.url,
    WORKER_URL: `http://127.0.0.1:${await freePort()}`, // nothing runs there, and nothing has to
    KALLA_WORKER_TOKEN: 'a token of both that is long enough',
    KALLA_ADMIN_EMAIL: 'maria@example.com',
    KALLA_ADMIN_PASSWORD: 'four unrelated words here',
    KALLA_OIDC_ISSUER: issuer.url,
    KALLA_OIDC_CLIENT_ID: issuer.client,
    KALLA_OIDC_CLIENT_SECRET: issuer.secret,
    KALLA_OIDC_NAME: 'Example',
    KALLA_OIDC_DOMAINS: 'example.com',
  })
})
afterAll(() => Promise.all([kalla, issuer, postgres].map((server) => server.stop())))

test('one signs in with the provider, comes to where one wanted, and out again', async () => {
  const { page, context, errors } = await kalla.visit('/settings/account', { nobody: true })
  await page.getByText('or with a password').waitFor()
  await looksRight(page, 'sign-in-oidc')
  await page.getByRole('link', { name: 'Sign in with Example' }).click()
  await page.waitForURL(/\/settings\/account$/)
  await page.getByText('jo@example.com').first().waitFor()
  await page.getByText('Chrome on Linux').first().waitFor() // the session's browser, by its name
  await page.goto(`${kalla.url}/settings/users`)
  await page.getByText('This takes the role admin, and yours is viewer.').waitFor()
  await page.getByRole('button', { name: 'Account of Jo Example' }).click()
  await page.getByRole('menuitem', { name: 'Sign out' }).click()
  await page.getByRole('link', { name: 'Sign in with Example' }).waitFor()
  expect(errors.filter((text) => !text.includes('401'))).toEqual([])
  await context.close()
})

test('a provider that does not answer leaves the password', async () => {
  await issuer.stop()
  const { page, context } = await kalla.visit('/sign-in?error=oidc_unreachable', { nobody: true, width: 390 })
  await page.getByRole('alert').waitFor()
  await looksRight(page, 'sign-in-oidc-away-phone')
  await page.getByLabel('E-mail address').fill('maria@example.com')
  await page.getByLabel('Password').fill('four unrelated words here')
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await page.getByRole('heading', { level: 1, name: 'Home' }).waitFor()
  await context.close()
})
