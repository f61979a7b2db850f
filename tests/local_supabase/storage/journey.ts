// What a web page does with storage through the unmodified supabase-js. Prints one JSON object: what each step came to.

import { createClient } from "@supabase/supabase-js";

const [url, publishableKey, secretKey, userToken, userId, bucket] = Deno.args;
const auth = { persistSession: false, autoRefreshToken: false };
const service = createClient(url, secretKey, { auth });
const visitor = createClient(url, publishableKey, { auth });
const person = createClient(url, publishableKey, { auth, global: { headers: { Authorization: `Bearer ${userToken}` } } });
const results: Record<string, unknown> = {};

// deno-lint-ignore no-explicit-any
type Answer = { data: any; error: any };

function codeOf({ error }: Answer): unknown {
  return error && [error.status, error.statusCode, error.code];
}

async function textOf({ data, error }: Answer): Promise<unknown> {
  return error ? codeOf({ data, error }) : await data.text();
}

const limits = { public: false, fileSizeLimit: "1MB", allowedMimeTypes: ["text/*", "image/png"] };
results.created = (await service.storage.createBucket(bucket, limits)).data;
const made = (await service.storage.getBucket(bucket)).data!;
results.bucket = [made.public, made.file_size_limit, made.allowed_mime_types];
results.listed = (await service.storage.listBuckets({ search: bucket })).data?.length;
results.noBucket = codeOf(await service.storage.getBucket("nowhere"));

const files = service.storage.from(bucket);
const blob = new Blob(["a blob"], { type: "text/plain" });
const uploaded = await files.upload("folder/blob file.txt", blob, { metadata: { made: "by a page" } });
results.blob = [uploaded.data?.path, uploaded.data?.fullPath];
results.text = (await files.upload("/folder/raw.txt", "raw text", { contentType: "text/css", cacheControl: "60" })).data
  ?.path;
results.taken = codeOf(await files.upload("folder/raw.txt", "again"));
results.upsert = codeOf(await files.upload("folder/raw.txt", "upserted", { upsert: true, contentType: "text/css" }));
results.updated = codeOf(await files.update("folder/raw.txt", new TextEncoder().encode("updated")));
results.wrongType = codeOf(await files.upload("a.zip", "x", { contentType: "application/zip" }));
results.tooLarge = codeOf(await files.upload("large", "x".repeat(1_000_001)));
results.wrongKey = codeOf(await files.upload("größe", "x"));

results.downloaded = [await textOf(await files.download("folder/blob file.txt")), await textOf(await files.download("folder/raw.txt"))];
results.missing = codeOf(await files.download("missing"));
const info = (await files.info("folder/blob file.txt")).data!;
results.info = [info.size, info.contentType, info.metadata, info.bucketId === bucket];
results.exists = [(await files.exists("folder/raw.txt")).data, (await files.exists("missing")).data];

results.list = (await files.list("folder")).data?.map((file) => [file.name, file.metadata.mimetype]);
results.folders = (await files.list()).data?.map((file) => [file.name, file.id]);
const page = (await files.listV2({ with_delimiter: true })).data!;
results.listV2 = [page.folders.map((folder) => folder.name), page.objects.length, page.hasNext];

results.copied = (await files.copy("folder/raw.txt", "copy.txt")).data?.path;
results.moved = (await files.move("copy.txt", "moved here.txt")).data;

const signed = (await files.createSignedUrl("moved here.txt", 60, { download: "named.txt" })).data!;
const fetched = await fetch(signed.signedUrl);
results.signed = [fetched.status, await fetched.text(), fetched.headers.get("content-disposition")?.slice(0, 31)];
const several = (await files.createSignedUrls(["moved here.txt", "missing"], 60)).data!;
results.several = [await (await fetch(several[0].signedUrl!)).text(), several[1].error !== null];
const ticket = (await files.createSignedUploadUrl("tickets/one.txt")).data!;
results.signedUpload = (await visitor.storage.from(bucket).uploadToSignedUrl(ticket.path, ticket.token, blob)).data?.path;

results.closed = codeOf(await visitor.storage.from(bucket).download("moved here.txt"));
await service.storage.updateBucket(bucket, { public: true });
results.public = await (await fetch(visitor.storage.from(bucket).getPublicUrl("moved here.txt").data.publicUrl)).text();

const people = person.storage.from("people");
results.own = codeOf(await people.upload(`${userId}/mine.txt`, blob));
results.foreign = codeOf(await people.upload("somebody/theirs.txt", blob));
results.visitor = codeOf(await visitor.storage.from("people").download(`${userId}/mine.txt`));

results.removed = (await files.remove(["folder/raw.txt", "missing"])).data?.length;
results.notEmpty = codeOf(await service.storage.deleteBucket(bucket));
results.emptied = codeOf(await service.storage.emptyBucket(bucket));
results.deleted = (await service.storage.deleteBucket(bucket)).data;
results.image = codeOf(await files.download("a.png", { transform: { width: 10 } }));

console.log(JSON.stringify(results));
