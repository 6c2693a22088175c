/* Reload: the next files are read and checked by a worker thread, and put into force as a whole. */
#include <stdio.h>

#include "policy/policy_impl.h"
#include "xfed/rt/log.h"
#include "xfed/rt/process.h"

static int fail(struct policy *p, int rc, const char *key, const char *text)
{
	rt_conf_errors_add(&p->reload.errors, false, XFED_REASON_CONFIG_VALUE_INVALID, p->path, 0, 0, key, "%s", text);
	return rc;
}

static int read_files(struct policy *p)
{
	struct policy_reload *r = &p->reload;
	struct policy_instead instead = { .file = r->file, .with = r->with[0] ? r->with : NULL };
	int rc = policy_files_try(p->path, r->file[0] ? &instead : NULL, &r->errors, &r->files);
	if (rc == XFED_OK && rt_conf_keep(&r->files->config->base.doc, p->files->config) != XFED_OK) {
		return fail(p, XFED_ERR_NOMEM, "", "out of memory");
	}
	if (rc == XFED_OK && policy_files_secret(r->files, p->core->id_key) != XFED_OK) {
		return fail(p, XFED_ERR_NOMEM, "dialback", "the secret could not be made");
	}
	r->is_new = rc == XFED_OK && policy_next_revision(&r->revision, r->files, &r->outbid);
	return rc;
}

static void run(void *arg)
{
	struct policy *p = arg;
	p->reload.rc = read_files(p);
}

static void swap(struct policy *p)
{
	struct policy_reload *r = &p->reload;
	rt_daemon_configure(&p->core->d, &p->files->config->base, &r->files->config->base);
	policy_files_free(p->files);
	p->files = r->files;
	p->files->broken.since_s = core_wall_s(p->core);
	r->files = NULL;
	if (r->is_new) {
		p->revision = r->revision;
		policy_announce(p, "policy.changed");
	}
	p->user->swapped(p->user_data, r->is_new);
}

static void answer(struct policy *p)
{
	struct policy_reload *r = &p->reload;
	const struct policy_files *loaded = r->rc != XFED_OK ? NULL : r->is_check ? r->files : p->files;
	json_t *j = rt_control_problems(&r->errors, loaded ? &loaded->config->base.doc : NULL);
	if (j && r->rc == XFED_OK && !r->is_check) {
		json_object_set_new(j, "revision", json_integer((json_int_t)p->revision.counter));
	}
	if (j && r->rc == XFED_OK && r->holds) {
		p->change++;
		p->change_until_ms = core_now(p->core) + XFED_CHANGE_HOLD_MS;
		json_object_set_new(j, "change", json_integer((json_int_t)p->change));
	}
	if (r->rc == XFED_OK && r->look.fresh) {
		r->look.fresh(r->look.user, r->files->partners);
		r->files->partners = NULL;
	}
	rt_reply_ok(r->reply, j);
}

static void settle(struct policy *p)
{
	struct policy_reload *r = &p->reload;
	struct rt_daemon *d = &p->core->d;
	if (!r->is_check) {
		rt_log_problems(&r->errors);
		if (r->rc == XFED_OK) {
			swap(p);
		}
		rt_daemon_reloaded(d, r->rc == XFED_OK, &r->errors);
		rt_notify_ready(d->notify, d->user->service(d->user_data));
	}
	answer(p);
}

static void finish(struct policy *p)
{
	struct policy_reload *r = &p->reload;
	if (p->is_stopped) {
		rt_reply_fail(r->reply, "failed", "the gateway stops");
	} else {
		settle(p);
	}
	policy_files_free(r->files);
	rt_conf_errors_deinit(&r->errors);
	store_batch_deinit(&r->batch);
	r->is_running = false;
	if (p->reload_again && !p->is_stopped) {
		p->reload_again = false;
		policy_reload(p, (struct rt_reply){ 0 });
	}
}

static void kept(struct store_batch *b)
{
	struct policy *p = (struct policy *)((char *)b - offsetof(struct policy, reload.batch));
	if (b->written != XFED_OK) {
		p->reload.rc = fail(p, XFED_ERR_INVALID, "store", b->error);
	}
	finish(p);
}

static void done(void *arg)
{
	struct policy *p = arg;
	struct policy_reload *r = &p->reload;
	if (p->is_stopped || r->rc != XFED_OK || r->is_check || !r->is_new) {
		finish(p);
		return;
	}
	store_batch_init(&r->batch, kept);
	if (store_put_revision(&r->batch, &r->revision) == XFED_OK) {
		store_submit(p->store, &r->batch);
	} else {
		r->rc = fail(p, XFED_ERR_NOMEM, "store", "out of memory");
		finish(p);
	}
}

void policy_begin(struct policy *p, struct rt_reply reply, bool is_check, const char *file, const char *with, bool holds)
{
	p->reload = (struct policy_reload){
		.is_running = true, .reply = reply, .revision = p->revision, .outbid = p->outbid, .is_check = is_check, .holds = holds
	};
	snprintf(p->reload.file, sizeof(p->reload.file), "%s", file ? file : "");
	snprintf(p->reload.with, sizeof(p->reload.with), "%s", with ? with : "");
	rt_conf_errors_init(&p->reload.errors);
	rt_job_start(&p->reload.job, p->core->d.loop, run, done, p);
}

void policy_reload(struct policy *p, struct rt_reply reply)
{
	if (p->reload.is_running && reply.done) {
		rt_reply_fail(reply, "busy", "the files are being read already");
	} else if (p->reload.is_running) {
		p->reload_again = true;
	} else {
		rt_notify_reloading(p->core->d.notify);
		policy_begin(p, reply, false, NULL, NULL, false);
	}
}

void policy_check(struct policy *p, struct rt_reply reply)
{
	if (p->reload.is_running) {
		rt_reply_fail(reply, "busy", "the files are being read already");
	} else {
		policy_begin(p, reply, true, NULL, NULL, false);
	}
}

/*
 * Gateways count their changes, so no gateway is that far ahead of another. An edge that claims it nevertheless raises the counter by only
 * one step a reload, so that it never reaches its end, where no revision could be above it.
 */
#define OUTBID_STEP ((uint64_t)1 << 32)

/* An epoch that the store cannot hold, and that no gateway has made, is ignored. */
void policy_outbid(struct policy *p, uint64_t epoch, uint64_t counter)
{
	uint64_t most = p->revision.counter + OUTBID_STEP;
	struct proto_revision theirs = { .epoch = epoch, .counter = counter < most ? counter : most };
	if (epoch <= INT64_MAX && proto_revision_compare(&theirs, &p->outbid) > 0) {
		p->outbid = theirs;
	}
}

bool policy_is_reloading(const struct policy *p)
{
	return p->reload.is_running;
}
