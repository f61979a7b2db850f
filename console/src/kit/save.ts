/** Hands a file to the person, as a download of the browser. */
export function save(file: Blob, name: string): void {
  const address = URL.createObjectURL(file);
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  // The download holds the file by itself once it began.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
