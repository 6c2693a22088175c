/* What the files of policy share: files.c loads, policy.c keeps what is in force, reload.c loads the next. */
#ifndef GATEWAY_POLICY_POLICY_IMPL_H
#define GATEWAY_POLICY_POLICY_IMPL_H

#include "policy/access_file.h"
#include "policy/partner_file.h"
#include "policy/policy.h"
#include "policy/policy_dir.h"
#include "xfed/buf.h"
#include "xfed/rt/job.h"

/* policy_files_load() of a reload, with one file read from elsewhere. `i` NULL: none. */
int policy_files_try(const char *path, struct policy_instead *i, struct rt_conf_errors *errors, struct policy_files **out);

struct policy_files {
	struct config *config;
	struct xfed_tls_creds *channel_creds, *sip_creds, *outside_creds, *panel_creds;
	struct policy_panel_pem panel_pem;
	struct access_set *access;
	struct xfed_policy *partners;
	struct partner_presence *presence;
	struct policy_broken broken; /* of a start; of a reload only the files that are ignored */
	struct xfed_buf snapshot;
	uint8_t hash[32]; /* of the snapshot */
};
/*
 * Without dialback.secret_file the secret is derived from the store's key, so that it survives a restart and is the same on every edge. OK;
 * after NOMEM and LIBRARY the caller frees the files.
 */
int policy_files_secret(struct policy_files *f, const uint8_t key[CORE_KEY_BYTES]);

/*
 * A reload under way: read by a worker thread, its revision written by the store, then swapped. Nobody is told a revision that the store
 * does not have.
 */
struct policy_reload {
	bool is_running;
	struct rt_job job;
	struct rt_reply reply;
	struct rt_conf_errors errors;
	struct policy_files *files; /* the files that were read */
	struct proto_revision revision, outbid;
	struct store_batch batch;
	bool is_new, is_check;
	char file[POLICY_PATH_BYTES], with[POLICY_PATH_BYTES]; /* is_check: `with` is read in the place of `file`; "": nothing is */
	bool holds;					       /* ... and where that is fine, nobody else may change something */
	struct policy_look look;			       /* else */
	int rc;
};

struct policy {
	struct core *core;
	struct store *store;
	char *path;
	struct policy_files *files;
	struct proto_revision revision;
	const struct policy_user *user;
	void *user_data;
	struct policy_reload reload;
	struct proto_revision outbid; /* the highest revision with which edges have refused ours; its hash is not used */
	bool reload_again, is_stopped;
	uint64_t change, change_until_ms; /* the last one's number, and how long others wait for it; 0: they do not */
};

/* `file`, `with`: what is checked, else NULL. */
void policy_begin(struct policy *p, struct rt_reply reply, bool is_check, const char *file, const char *with, bool holds);

/* The next revision, if the snapshot of the files differs or the old one is not above `outbid` (zeroed: none). False: it stays the same. */
bool policy_next_revision(struct proto_revision *r, const struct policy_files *f, const struct proto_revision *outbid);
void policy_announce(const struct policy *p, const char *event);

#endif
