import tailwindcss from '@tailwindcss/vite'
import react from '@vitejs/plugin-react'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig(({ mode }) => ({
  plugins: [react(), tailwindcss()],
  resolve: { alias: { '@': here('./src') } },
  build: {
    // The gallery of components is for developers: it is built by its own mode, into its own folder.
    outDir: mode === 'gallery' ? 'node_modules/.cache/gallery' : 'dist',
    emptyOutDir: true,
    rolldownOptions: { input: here(mode === 'gallery' ? './gallery.html' : './index.html') },
    // An inlined font or image would need data: in the content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: {
    proxy: { '^/(api|healthz|openapi.json)': process.env['KALLA_URL'] ?? 'http://127.0.0.1:3000' },
  },
  test: {
    projects: [
      { extends: true, test: { name: 'logic', environment: 'node', include: ['test/unit/**/*.test.ts'] } },
      {
        extends: true,
        test: {
          name: 'components',
          environment: 'jsdom',
          include: ['test/unit/**/*.test.tsx'],
          setupFiles: ['./test/setup.ts'],
        },
      },
      // In Chromium: the gallery of components, built and served.
      {
        extends: true,
        test: {
          name: 'browser',
          environment: 'node',
          include: ['test/browser/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      // The program itself, in Chromium: bin/kalla, or that of KALLA.
      {
        extends: true,
        test: {
          name: 'journeys',
          environment: 'node',
          include: ['test/journeys/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          // A browser beside servers on a small machine: what fails once is told as a retry, what fails twice fails.
          retry: 1,
        },
      },
    ],
  },
}))
