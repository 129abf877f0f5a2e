"""The store on MongoDB, 7.0 or later: one class a repository, named like the files of the Protocols.

There are no transactions: every rule is one document and one conditional write, with the guard in the filter.
"""
