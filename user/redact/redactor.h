// SPDX-License-Identifier: MIT
// Takes out of a recording what tells of people, hosts and programs, before anything is made of it: verdicts, advice
// and every format speak of the tokens.
//
// The verdict stays what it was: what it compares has one token for one value, and what it knows by name stays.
//
// Left: times, ports, the release of the kernel, numbers (pid, uid, inodes, network namespaces), outcomes, socket
// options, loopback and wildcard addresses, and the words of known_program.h. Tokens: names of hosts, users, threads
// (comm), executables, cgroups, units, containers, images, pods, network namespaces and interfaces, command lines as a
// whole, and all other addresses.
#pragma once

#include <string>

#include "model/receiver.h"
#include "model/warning.h"
#include "redact/tokens.h"

namespace bindtrace {

class Redactor final : public Receiver {
  public:
    Redactor(const Tokens& tokens, Receiver& next) : tokens_(tokens), next_(next) {}

    void begin_of(std::uint64_t recording) override { next_.begin_of(recording); }
    void meta(const Meta& meta) override;
    void event(const Event& event, const Context& context, const Findings* findings) override;
    void loss(const Loss& loss) override { next_.loss(loss); }
    void warning(const Warning& warning) override;
    void checkpoint(const Checkpoint& checkpoint) override;

  private:
    void redact(bt_task& task) const;
    void redact(bt_sock& sock) const;
    void redact(bt_holder& raw) const;
    void redact(Process& process) const;
    void redact(Owner& owner) const;
    void redact(ContainerFacts& facts) const;
    void redact(Holder& holder) const;
    void redact(Findings& findings) const;
    void redact(PortEntry& entry) const;
    std::string comm_token(std::string_view comm) const;
    std::string container_token(const Container& container, std::string_view name) const;
    std::string exe_token(std::string_view exe) const;
    std::string netns_token(std::string_view name) const;

    const Tokens& tokens_;
    Receiver& next_;
};

}  // namespace bindtrace
