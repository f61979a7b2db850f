/** Who does not want to be led through the first steps on this device. */
const KEY = "sigtrail.first-steps-skipped";

export function hasSkipped(user: string): boolean {
  return localStorage.getItem(KEY) === user;
}

export function skip(user: string): void {
  localStorage.setItem(KEY, user);
}
