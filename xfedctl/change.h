/*
 * A change of one file of a gateway's configuration, from the words of a command to the reload. xfedctl writes, with the rights of
 * whoever runs it; the gateway judges all its files with the new text before it is in its place, keeps others from changing something
 * meanwhile, reloads, and has it in its audit log who asked.
 *
 *   open     which gateway, where its files are; gateway.yaml is read here, by us, and has to be root's or ours: nothing that a service
 *            says leads root's hand elsewhere
 *   read     the one file that is changed
 *   make     the new text is tried, saved, brought into force; what changed is printed
 */
#ifndef XFEDCTL_CHANGE_H
#define XFEDCTL_CHANGE_H

#include "ctl.h"
#include "fe-gateway/config/config.h"
#include "save.h"

struct change {
	const struct ctl_options *options;
	bool is_dry_run;
	char command[1024]; /* as it was typed, for the audit log */
	char socket[512], service[128];
	char config_path[PATH_MAX];
	struct config *config;
	char file[PATH_MAX]; /* that is changed, as the gateway calls it */
	struct save save;
	struct xfed_buf was, is;
	struct xfed_buf typed; /* the command, to be typed again */
	char hash[65];	       /* of c->was, SHA-256; "none": there was no file */
	bool is_gone;	       /* the file goes */
	bool is_secret;	       /* what is in it is not shown */
	json_t *notes;	       /* sentences */
	json_t *answer;	       /* of the gateway */
};

/* FINE, or the exit status when why has been told. `verb`: "partner set"; `args` are the command's. To be closed in every case. */
enum ctl_exit change_open(struct change *c, const char *verb, const json_t *args, const struct ctl_options *options);
/* c->file into c->was, which is empty where there is none: then `*exists` is false. PROBLEM also where it is not what an errand expects. */
enum ctl_exit change_read(struct change *c, size_t max, bool *exists);
/* c->is, or c->is_gone, into force. */
enum ctl_exit change_make(struct change *c);
void change_close(struct change *c);

/* One command of the gateway that only xfedctl asks. A problem has been told; OK: `*result` is a new reference. One that is busy is asked again. */
enum ctl_exit change_ask(struct change *c, const char *verb, json_t *args, json_t **result);
/* Behind sudo and su the kernel still knows who logged in; the gateway sees whose rights are used. NULL: nobody else. */
const char *change_login(char out[64]);
/* Tells why, in words or as JSON, and returns PROBLEM. */
enum ctl_exit change_refuse(const struct change *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void change_note(struct change *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
