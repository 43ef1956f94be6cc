const browsers: [RegExp, string][] = [
  [/\bEdgA?\//, 'Edge'],
  [/\bOPR\//, 'Opera'],
  [/\bFirefox\/|\bFxiOS\//, 'Firefox'],
  [/Chrome\/|\bCriOS\//, 'Chrome'], // also HeadlessChrome
  [/\bChromium\//, 'Chromium'],
  [/\bSafari\//, 'Safari'],
]

const systems: [RegExp, string][] = [
  [/\bAndroid\b/, 'Android'],
  [/\biPhone\b|\biPad\b/, 'iOS'],
  [/\bWindows\b/, 'Windows'],
  [/\bMac OS X\b/, 'macOS'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\bLinux\b/, 'Linux'],
]

/** "Firefox on Windows" out of what a browser says about itself; its own words where it is none that is known. */
export function browserOf(agent: string): string {
  const browser = browsers.find(([is]) => is.test(agent))?.[1]
  const system = systems.find(([is]) => is.test(agent))?.[1]
  if (browser === undefined) return agent.split(' ')[0] || 'Unknown'
  return system === undefined ? browser : `${browser} on ${system}`
}
