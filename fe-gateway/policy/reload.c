/* The next files: read and checked on a worker, and swapped in whole. */
#include <stdio.h>

#include "policy/policy_impl.h"
#include "xfed/mem.h"
#include "xfed/rt/job.h"
#include "xfed/rt/log.h"
#include "xfed/rt/process.h"

/* A revision is told to nobody before the store has it: read on a worker, written by the store, then swapped. */
struct policy_reload {
	struct policy *policy;
	struct rt_job job;
	struct rt_reply reply;
	struct rt_conf_errors errors;
	struct policy_files *files; /* read */
	struct proto_revision revision;
	struct store_batch batch;
	bool is_new, is_check;
	int rc;
};

static int fail(struct policy_reload *r, int rc, const char *key, const char *text)
{
	rt_conf_errors_add(&r->errors, false, XFED_REASON_CONFIG_VALUE_INVALID, r->policy->path, 0, 0, key, "%s", text);
	return rc;
}

static int read_files(struct policy_reload *r)
{
	const struct policy *p = r->policy;
	int rc = policy_files_load(p->path, &r->errors, &r->files);
	if (rc == XFED_OK && policy_files_secret(r->files, p->core->id_key) != XFED_OK) {
		return fail(r, XFED_ERR_NOMEM, "dialback", "the secret could not be made");
	}
	r->is_new = rc == XFED_OK && policy_next_revision(&r->revision, r->files);
	return rc;
}

static void run(void *arg)
{
	struct policy_reload *r = arg;
	r->rc = read_files(r);
}

static void swap(struct policy *p, struct policy_reload *r)
{
	const struct gateway_config *c = r->files->config;
	rt_daemon_log_changes(&gateway_config_table, p->files->config, c);
	policy_files_free(p->files);
	p->files = r->files;
	r->files = NULL;
	rt_log_configure(c->log.level, c->log.format, c->log.mask_addresses);
	if (r->is_new) {
		p->revision = r->revision;
		policy_announce(p, "policy.changed");
	}
	p->user->swapped(p->user_data, r->is_new);
}

static void answer_call(struct policy_reload *r)
{
	json_t *j = rt_control_problems(&r->errors);
	if (j && r->rc == XFED_OK && !r->is_check) {
		json_object_set_new(j, "revision", json_integer((json_int_t)r->policy->revision.counter));
	}
	rt_reply_ok(r->reply, j);
	r->reply.done = NULL;
}

static void reload_free(struct policy_reload *r)
{
	rt_reply_fail(r->reply, "failed", "the gateway stops");
	policy_files_free(r->files);
	rt_conf_errors_deinit(&r->errors);
	store_batch_deinit(&r->batch);
	xfed_free(r);
}

static void finish(struct policy_reload *r)
{
	struct policy *p = r->policy;
	struct rt_daemon *d = &p->core->d;
	p->reload = NULL;
	if (p->is_stopped) {
		reload_free(r);
		return;
	}
	if (!r->is_check) {
		rt_log_problems(&r->errors);
		if (r->rc == XFED_OK) {
			swap(p, r);
		}
		rt_daemon_log_reload(r->rc == XFED_OK);
		rt_notify_ready(d->notify, d->user->service(d->user_data));
	}
	answer_call(r);
	reload_free(r);
	if (p->reload_again) {
		p->reload_again = false;
		policy_reload(p, (struct rt_reply){ 0 });
	}
}

static void kept(struct store_batch *b)
{
	struct policy_reload *r = (struct policy_reload *)((char *)b - offsetof(struct policy_reload, batch));
	if (b->written != XFED_OK) {
		r->rc = fail(r, XFED_ERR_INVALID, "store", b->error);
	}
	finish(r);
}

static void done(void *arg)
{
	struct policy_reload *r = arg;
	struct policy *p = r->policy;
	if (p->is_stopped || r->rc != XFED_OK || r->is_check || !r->is_new) {
		finish(r);
		return;
	}
	store_batch_init(&r->batch, kept);
	if (store_put_revision(&r->batch, &r->revision) == XFED_OK) {
		store_submit(p->store, &r->batch);
	} else {
		r->rc = fail(r, XFED_ERR_NOMEM, "store", "out of memory");
		finish(r);
	}
}

static void begin(struct policy *p, struct rt_reply reply, bool is_check)
{
	struct policy_reload *r = xfed_calloc(1, sizeof(*r));
	if (!r) {
		rt_log(RT_LOG_ERROR, "config.reload", RT_KV_BOOL("ok", false), RT_KV_STR("text", "out of memory"), RT_END);
		rt_reply_fail(reply, "failed", "out of memory");
		return;
	}
	*r = (struct policy_reload){ .policy = p, .reply = reply, .revision = p->revision, .is_check = is_check };
	rt_conf_errors_init(&r->errors);
	p->reload = r;
	rt_job_start(&r->job, p->core->d.loop, run, done, r);
}

void policy_reload(struct policy *p, struct rt_reply reply)
{
	if (p->reload && reply.done) {
		rt_reply_fail(reply, "busy", "the files are being read already");
	} else if (p->reload) {
		p->reload_again = true;
	} else {
		rt_notify_reloading(p->core->d.notify);
		begin(p, reply, false);
	}
}

void policy_check(struct policy *p, struct rt_reply reply)
{
	if (p->reload) {
		rt_reply_fail(reply, "busy", "the files are being read already");
	} else {
		begin(p, reply, true);
	}
}

bool policy_is_reloading(const struct policy *p)
{
	return p->reload != NULL;
}
