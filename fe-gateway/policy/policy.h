/*
 * policy: who may write to whom. All files (gateway.yaml, partners.d, access.d, certificates) are loaded and checked together, stay in
 * force until a reload replaces them as a whole, and have a revision by which the edges know them.
 *
 *   files      the result of one load: immutable
 *   revision   the number of what is in force; grows when the snapshot changes, and is in the store before anybody is told
 *   snapshot   the partners as bytes, for the edges; contains the dialback secret
 *   gate       one of the conditions that policy checks between two addresses (gates.h)
 *   reload     files are read and checked by a worker thread; after any error what is in force stays
 *
 * May call core, config and store.
 */
#ifndef GATEWAY_POLICY_POLICY_H
#define GATEWAY_POLICY_POLICY_H

#include "config/config.h"
#include "core/core.h"
#include "policy/access_file.h"
#include "policy/broken.h"
#include "policy/gates.h"
#include "policy/partner_file.h"
#include "policy/policy_dir.h"
#include "proto/transfer.h"
#include "store/store.h"
#include "xfed/buf.h"
#include "xfed/jid.h"
#include "xfed/policy.h"
#include "xfed/tls.h"

/* ---- loading files ---- */

struct policy_files;

/*
 * OK; INVALID (`errors` say why) and NOMEM leave `*out` NULL. At a start single files of partners.d and access.d may be invalid, though
 * `errors` name them; a reload and a check need all files valid. Blocks: to be called at the start, or by a worker thread.
 */
int policy_files_load(const char *path, bool is_start, struct rt_conf_errors *errors, struct policy_files **out);
void policy_files_free(struct policy_files *f); /* NULL is fine */
const struct config *policy_files_config(const struct policy_files *f);
/* Names for the sandbox what these files make the gateway read again at a reload, but for what the configuration itself names. */
void policy_files_name(const struct policy_files *f);

/* ---- what is in force ---- */

struct policy;

struct policy_user {
	/* Other files are in force. `is_new`: the snapshot differs too, and has another revision; its bytes have moved in any case. */
	void (*swapped)(void *user, bool is_new);
};

/*
 * Puts `files`, loaded from `path`, into force, and owns them (also where this fails). After a restart with the same files the revision is
 * the store's; with others it is the next one. XFED_OK, or an error with one sentence in `error`.
 */
int policy_new(struct core *core, struct store *store, const char *path, struct policy_files *files, const struct policy_user *user, void *user_data,
	struct policy **out, char error[256]);
void policy_stop(struct policy *p); /* cancels a reload that is running; NULL is fine */
void policy_free(struct policy *p); /* after the loop has ended; NULL is fine */

/* These are all borrowed until the next swap. */
const struct policy_broken *policy_broken(const struct policy *p); /* invalid files of the start, until a reload; and files that are ignored */
const struct config *policy_config(const struct policy *p);
const struct access_rule *policy_access_rules(const struct policy *p); /* the first of them; NULL: none */
const struct xfed_policy *policy_partners(const struct policy *p);
struct xfed_tls_creds *policy_channel_creds(const struct policy *p);
struct xfed_tls_creds *policy_sip_creds(const struct policy *p);     /* NULL: nothing uses tls */
struct xfed_tls_creds *policy_outside_creds(const struct policy *p); /* of sip.federation; NULL: it is not set */
/* Of the panel; NULL: it has no TLS. Its server is given the files as they were read; the others are empty where they are not set. */
struct xfed_tls_creds *policy_panel_creds(const struct policy *p);
struct policy_panel_pem {
	struct xfed_buf certificate, key, client_ca; /* ended by a NUL */
};
const struct policy_panel_pem *policy_panel_pem(const struct policy *p);
const struct proto_revision *policy_revision(const struct policy *p);
struct xfed_span policy_snapshot(const struct policy *p);

const struct xfed_partner *policy_partner(const struct policy *p, struct xfed_span domain); /* NULL: not listed, or refused */
enum xfed_reason policy_why_not(const struct policy *p, struct xfed_span domain);	    /* the reason where that is NULL: policy.partner.* */
/* a number for the partner, the same for all of its domains */
uint64_t policy_partner_share(const struct policy *p, struct xfed_span domain);
const char *policy_partner_label(const struct policy *p, struct xfed_span domain); /* a label for metrics, from the list of partners */
void policy_partner_path(const struct policy *p, const struct xfed_partner *partner, char out[512]); /* of the partner's file */
/* Says in words why a domain is no partner: "no file in DIR covers DOMAIN", and which file there may have been meant to. */
const char *policy_not_partner_words(const struct policy *p, struct xfed_span domain, char out[1024]);

/* ---- facts for the gates (gates.h) ---- */

/*
 * Which ends are ours, of something sent from our side (SIP) or from a partner's (XMPP). SIP knows our users by the names of their domain
 * inside (sip_domain) and outside, partners only by those outside. NULL: that end is not ours.
 */
struct policy_ends {
	const struct config_domain *from, *to;
};
struct policy_ends policy_ends(const struct policy *p, bool is_from_sip, struct xfed_span from_domain, struct xfed_span to_domain);

/*
 * Fills in what the files say. `user` is ours: a bare JID (or a domain alone) with the domain it has outside. Returns the other end's
 * partner, or NULL. `*rule` becomes the access rule that decided, or NULL where none did.
 */
const struct xfed_partner *policy_pair_facts(
	const struct policy *p, const struct xfed_jid *user, struct xfed_span remote_domain, struct policy_facts *f, const struct access_rule **rule);

/* What the partner's own file says of show and activities; NULL: nothing. */
const struct iw_presence_choice *policy_presence_choice(const struct policy *p, const struct xfed_partner *partner);
/* What show and activities mean to each other for users of that domain of ours and that of the partner's. */
void policy_presence_map(const struct policy *p, const struct config_domain *local, struct xfed_span remote_domain, struct iw_presence_map *out);

/* ---- reload ---- */

/* Answers `reply` when it is done; zeroed: nobody asked. */
void policy_reload(struct policy *p, struct rt_reply reply);
void policy_check(struct policy *p, struct rt_reply reply); /* the same, but puts nothing into force */

/*
 * A change of one file, by whoever may write there (xfedctl): the text is written beside it, tried, put in its place, and a reload brings
 * it into force. `with` is read in the place of `file` (NULL: as if there were none), which is one that a reload reads; all the others are
 * as they are. Nothing is swapped. `look` NULL: the change is begun: where all is fine the answer has the number of the change, and until that is done, for
 * XFED_CHANGE_HOLD_MS at most, nobody else can begin one ("busy"): two of them could each be fine, and not both together.
 */
#define POLICY_PATH_BYTES 1024
struct policy_look {
	void (*fresh)(
		void *user, struct xfed_policy *partners); /* all is fine: the partners as they would be, which the callee frees; the reply follows */
	void *user;
};
void policy_try(struct policy *p, const char *file, const char *with, const struct policy_look *look, struct rt_reply reply);
void policy_try_done(struct policy *p, uint64_t change); /* one that is over already is fine */

bool policy_is_reloading(const struct policy *p);
/* An edge has this revision in force and would refuse one that is not above it: the next reload makes a higher one, whatever it finds. */
void policy_outbid(struct policy *p, uint64_t epoch, uint64_t counter);

#endif
