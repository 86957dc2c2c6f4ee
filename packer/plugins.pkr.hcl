# This block is in a file of its own: Packer before 1.7, which Debian still has, formats the other file but refuses
# this block.
packer {
  required_version = ">= 1.9.0"
  required_plugins {
    amazon = {
      source  = "github.com/hashicorp/amazon"
      version = "= 1.3.9"
    }
  }
}
