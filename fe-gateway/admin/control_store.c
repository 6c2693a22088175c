/*
 * Copies of the store, as xfedctl asks for them: it takes a finished one to where it shall be, and puts one to be restored beside the store.
 * Neither the service's rights nor its fences reach further than the store's own directory.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/admin.h"
#include "xfed/mem.h"
#include "xfed/rt/job.h"
#include "xfed/rt/log.h"

static const char *store_path(const struct admin *ad)
{
	return policy_config(ad->policy)->store.sqlite;
}

static void copy_path(const struct admin *ad, char out[STORE_PATH_BYTES])
{
	snprintf(out, STORE_PATH_BYTES, "%s.backup", store_path(ad));
}

/* ---- a copy of it ---- */

struct snapshot {
	struct store_copy copy;
	struct admin *admin;
	struct rt_reply reply;
};

static void on_copied(struct store_copy *c)
{
	struct snapshot *s = (struct snapshot *)((char *)c - offsetof(struct snapshot, copy));
	struct stat st;
	s->admin->is_copying = false;
	bool is_there = c->rc == XFED_OK && stat(c->path, &st) == 0;
	if (is_there) {
		rt_log(RT_LOG_INFO, "store.copied", RT_KV_STR("file", c->path), RT_KV_U64("bytes", (uint64_t)st.st_size), RT_END);
		rt_reply_ok(s->reply, json_pack("{s:s, s:I, s:i}", "file", c->path, "bytes", (json_int_t)st.st_size, "schema", store_schema()));
	} else {
		rt_reply_fail(s->reply, "failed", "%s", c->rc == XFED_OK ? "the copy has gone" : c->error);
	}
	xfed_free(s);
}

void command_change_snapshot(struct rt_reply reply, const json_t *args, void *user)
{
	struct admin *ad = user;
	struct snapshot *s = xfed_calloc(1, sizeof(*s));
	(void)args;
	if (!s) {
		rt_reply_fail(reply, "failed", "out of memory");
		return;
	}
	*s = (struct snapshot){ .admin = ad, .reply = reply, .copy.done = on_copied };
	copy_path(ad, s->copy.path);
	if (ad->is_copying || !store_copy_start(ad->store, &s->copy)) {
		rt_reply_fail(reply, "busy", "a copy of the store is being made");
		xfed_free(s);
		return;
	}
	ad->is_copying = true;
}

void command_change_forget(struct rt_reply reply, const json_t *args, void *user)
{
	struct admin *ad = user;
	char path[STORE_PATH_BYTES];
	(void)args;
	copy_path(ad, path);
	if (!ad->is_copying && unlink(path) != 0 && errno != ENOENT) {
		char words[96];
		rt_reply_fail(reply, "failed", "%.300s cannot be removed: %s", path, rt_errno_words(errno, words));
	} else {
		rt_reply_ok(reply, json_object());
	}
}

/* ---- one that shall be restored ---- */

struct taking {
	struct rt_job job;
	struct rt_reply reply;
	bool is_dry_run;
	char file[STORE_PATH_BYTES], place[STORE_PATH_BYTES];
	struct store_summary summary;
	int rc;
	char error[256];
};

static int put_in_place(struct taking *t)
{
	char copy[STORE_PATH_BYTES], words[96];
	snprintf(copy, sizeof(copy), "%s", t->place);
	int dir = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool is_done = dir >= 0 && rename(t->file, t->place) == 0 && fsync(dir) == 0;
	if (!is_done) {
		snprintf(t->error, sizeof(t->error), "%.120s cannot be put in its place: %s", t->place, rt_errno_words(errno, words));
	}
	if (dir >= 0) {
		close(dir);
	}
	return is_done ? XFED_OK : XFED_ERR_INVALID;
}

static void take(void *arg)
{
	struct taking *t = arg;
	t->rc = store_copy_check(t->file, &t->summary, t->error);
	if (t->rc == XFED_OK && !t->is_dry_run) {
		t->rc = put_in_place(t);
	}
}

/* Who asked knows the file by another name. */
static const char *without_path(const struct taking *t)
{
	size_t len = strlen(t->file);
	return strncmp(t->error, t->file, len) == 0 && strncmp(t->error + len, ": ", 2) == 0 ? t->error + len + 2 : t->error;
}

static void taken(void *arg)
{
	struct taking *t = arg;
	const struct store_summary *s = &t->summary;
	if (t->rc == XFED_OK) {
		rt_reply_ok(t->reply, json_pack("{s:s, s:i, s:I, s:I, s:I}", "file", t->place, "schema", s->schema, "made", (json_int_t)s->made_s,
					      "contacts", (json_int_t)s->contacts, "failures", (json_int_t)s->failures));
	} else {
		rt_reply_fail(t->reply, "failed", "%s", t->rc == XFED_ERR_NOMEM ? "out of memory" : without_path(t));
	}
	xfed_free(t);
}

void command_change_take(struct rt_reply reply, const json_t *args, void *user)
{
	struct admin *ad = user;
	const char *file = json_string_value(json_object_get(args, "file"));
	struct taking *t = admin_is_beside(file, store_path(ad)) ? xfed_calloc(1, sizeof(*t)) : NULL;
	if (!admin_is_beside(file, store_path(ad))) {
		rt_reply_fail(reply, "bad-request", "%.200s is no hidden file beside %.200s", file, store_path(ad));
	} else if (!t) {
		rt_reply_fail(reply, "failed", "out of memory");
	} else {
		t->reply = reply;
		t->is_dry_run = json_is_true(json_object_get(args, "dry-run"));
		snprintf(t->file, sizeof(t->file), "%s", file);
		store_restore_path(store_path(ad), t->place);
		rt_job_start(&t->job, ad->core->d.loop, take, taken, t);
	}
}
