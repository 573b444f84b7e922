# What the OCI distribution specification names

#: Each request of the specification that Pulp's registry answers as it says; the others are in the table
python3 /workflows/oci.py "$pulp" spec/first >table.md
