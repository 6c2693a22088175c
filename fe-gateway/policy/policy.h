/*
 * policy: who may write to whom. All that files say (gateway.yaml, partners.d, access.d, certificates) is loaded and checked
 * together, is in force until a reload swaps it whole, and has a revision that the edges know it by.
 *
 *   files      what one load has found: immutable
 *   revision   the number of what is in force; it grows when the snapshot differs, and is in the store before anybody hears of it
 *   snapshot   the partners as bytes, for the edges; it carries the dialback secret
 *   reload     files are read and checked on a worker; where anything is wrong, what is in force stays
 *
 * May call: core, config, store.
 */
#ifndef GATEWAY_POLICY_POLICY_H
#define GATEWAY_POLICY_POLICY_H

#include "config/config.h"
#include "core/core.h"
#include "policy/access_file.h"
#include "policy/broken.h"
#include "policy/gates.h"
#include "policy/policy_dir.h"
#include "proto/transfer.h"
#include "store/store.h"
#include "xfed/jid.h"
#include "xfed/policy.h"
#include "xfed/tls.h"

/* ---- what files say ---- */

struct policy_files;

/*
 * OK; INVALID (`errors` say why) or NOMEM leave `*out` NULL. At a start single files of partners.d and access.d may be broken, and
 * `errors` tell it all the same; a reload and a check want them whole. Blocks: at the start, and for a reload on a worker.
 */
int policy_files_load(const char *path, bool is_start, struct rt_conf_errors *errors, struct policy_files **out);
void policy_files_free(struct policy_files *f); /* NULL is fine */
const struct config *policy_files_config(const struct policy_files *f);

/* ---- what is in force ---- */

struct policy;

struct policy_user {
	/* Other files are in force. `is_new`: the snapshot too, under another revision; its bytes lie elsewhere in any case. */
	void (*swapped)(void *user, bool is_new);
};

/*
 * `files`, loaded from `path`, come into force (and are freed with it, or where this fails). A restart with the same files keeps
 * the revision of the store; others are the next one. OK, or an error with one sentence in `error`.
 */
int policy_new(struct core *core, struct store *store, const char *path, struct policy_files *files, const struct policy_user *user, void *user_data,
	struct policy **out, char error[256]);
void policy_stop(struct policy *p); /* a reload under way comes to nothing; NULL is fine */
void policy_free(struct policy *p); /* when the loop is gone; NULL is fine */

/* All borrowed until the next swap. */
const struct policy_broken *policy_broken(const struct policy *p); /* what the start found broken, until a reload, and what is ignored */
const struct config *policy_config(const struct policy *p);
const struct access_rule *policy_access_rules(const struct policy *p); /* the first of them; NULL: none */
const struct xfed_policy *policy_partners(const struct policy *p);
struct xfed_tls_creds *policy_channel_creds(const struct policy *p);
struct xfed_tls_creds *policy_sip_creds(const struct policy *p); /* NULL: nothing uses tls */
const struct proto_revision *policy_revision(const struct policy *p);
struct xfed_span policy_snapshot(const struct policy *p);

const struct xfed_partner *policy_partner(const struct policy *p, struct xfed_span domain); /* NULL: not listed, or refused */
enum xfed_reason policy_why_not(const struct policy *p, struct xfed_span domain);	    /* then: policy.partner.* */
uint64_t policy_partner_share(const struct policy *p, struct xfed_span domain);		    /* one number per partner, whichever of its domains */
const char *policy_partner_label(const struct policy *p, struct xfed_span domain);	    /* for metrics: bounded by what is listed */
void policy_partner_path(const struct policy *p, const struct xfed_partner *partner, char out[512]); /* the file it comes from */
/* Why a domain is no partner, in words: "no file in DIR covers DOMAIN", and what was meant to be one lies there. */
const char *policy_not_partner_words(const struct policy *p, struct xfed_span domain, char out[1024]);

/* ---- facts for the gates (gates.h) ---- */

/*
 * The ends of what is sent from our side (SIP) or from a partner's (XMPP). SIP knows our users by the names they have inside
 * (sip_domain) and outside, partners only by those outside. NULL: that end is not ours.
 */
struct policy_ends {
	const struct config_domain *from, *to;
};
struct policy_ends policy_ends(const struct policy *p, bool is_from_sip, struct xfed_span from_domain, struct xfed_span to_domain);

/*
 * What files say: `user` is ours, bare (or a domain alone), with the domain it has outside; gives the other's partner, or NULL. `*rule` becomes
 * the access rule that decided, or NULL where none did.
 */
const struct xfed_partner *policy_pair_facts(
	const struct policy *p, const struct xfed_jid *user, struct xfed_span remote_domain, struct policy_facts *f, const struct access_rule **rule);

/* ---- reload ---- */

/* `reply` (zeroed: nobody asked) comes when it is done. */
void policy_reload(struct policy *p, struct rt_reply reply);
void policy_check(struct policy *p, struct rt_reply reply); /* the same without the swap */
/*
 * A change of one file, by whoever may write there (xfedctl): the text is written beside it, tried, put in its place, and a reload brings
 * it into force. `with` is read in the place of `file` (NULL: as if there were none), which is one that a reload reads; all the others are
 * as they are. Nothing is swapped. `holds`: where all is fine the answer has the number of the change, and until that is done, for
 * XFED_CHANGE_HOLD_MS at most, nobody else can begin one ("busy"): two of them could each be fine, and not both together.
 */
#define POLICY_PATH_BYTES 1024
void policy_try(struct policy *p, const char *file, const char *with, bool holds, struct rt_reply reply);
void policy_try_done(struct policy *p, uint64_t change); /* one that is over already is fine */

bool policy_is_reloading(const struct policy *p);
/* An edge has this revision in force, and would refuse one not above it: the next reload, whatever it finds, makes one that is. */
void policy_outbid(struct policy *p, uint64_t epoch, uint64_t counter);

#endif
